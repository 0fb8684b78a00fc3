"""The worker's process, from its first line.

python -m soundproof.engine.launch FD      (started by child.py; FD is its end of a socket pair)
"""

from soundproof.importing import collection_postponed

with collection_postponed():
    from soundproof.engine.worker import main

if __name__ == "__main__":
    main()
