#!/usr/bin/env bash
# Writes the pinned requirements anew from pyproject.toml: names, versions, hashes. Needs uv on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { uv pip compile pyproject.toml "$@" --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --no-header; }
compile --extra dev --output-file requirements/dev.txt
compile --extra service --extra build --constraint requirements/dev.txt --output-file requirements/service.txt
