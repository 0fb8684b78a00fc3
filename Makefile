# make run · make test · make check: each sets up what it needs, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# A hundred processes start in the tests: where the environment says that no bytecode is kept, each compiles all of it again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test check audit fuzz bench bench-peers clean

run: $(VENV)/.service
	$(BIN)/soundproof serve

# Three at a time, each a file of its own: half of their time they wait for services. In the order of their names, which has
# the long ones before the many.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev audit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Known vulnerabilities of what is pinned; without a network a warning.
audit: $(VENV)/.dev
	$(BIN)/python requirements/audit.py

# A minute for each target; what is found is told at the start of each. Linux on x86-64.
fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz all --seconds 60

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench.service

bench-peers: $(VENV)/.dev $(VENV)/.peers
	$(BIN)/python -m tests.bench.peers

# Pinned: names, versions and hashes. requirements/lock.sh writes them anew.
$(VENV)/.service: requirements/service.txt pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements/service.txt
	$(PIP) install --quiet --no-build-isolation --no-deps -e .
	touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	$(PIP) install --quiet --no-build-isolation --no-deps -e .
	touch $@ $(VENV)/.service

# Beside the environment, not in it: only the peer's own process has this folder on its path.
$(VENV)/.peers: requirements/peers.txt | $(BIN)/python
	rm -rf $(VENV)/peers
	$(PIP) install --quiet --require-hashes --no-deps --target $(VENV)/peers -r requirements/peers.txt
	touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
