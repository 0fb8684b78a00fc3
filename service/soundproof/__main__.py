"""python -m soundproof: the command line."""

from soundproof.cli import main

main()
