#!/usr/bin/env bash
# The Dockerfile's steps without Docker, in a clean folder and as an unprivileged user: tests/docker/replay.py.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-.venv/bin/python}" -m tests.docker.replay "$@"
