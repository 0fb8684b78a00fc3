#!/usr/bin/env bash
# Writes the pinned requirements anew from pyproject.toml: names, versions, hashes. Needs uv on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { uv pip compile pyproject.toml "$@" --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --no-header; }
compile --extra dev --output-file requirements/dev.txt
compile --extra service --extra postgres --extra gpu --extra formats --extra tracing --extra build --constraint requirements/dev.txt --output-file requirements/service.txt
# What others' certifiers need and the dev environment does not have: installed beside it, not into it.
mapfile -t had < <(sed -nE 's/^([a-z0-9.-]+)==.*/--no-emit-package\n\1/p' requirements/dev.txt | uniq)
compile --extra bench --constraint requirements/dev.txt "${had[@]}" --output-file requirements/peers.txt
