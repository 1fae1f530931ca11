# make env    install the hash-locked dependencies into .venv
# make up     run everything for a sample city; Ctrl-C stops it
# make test   all checks and all tests
# make check  the checks alone: style, types, import contracts, tidiness
# make lock   compile the requirement files again from pyproject.toml

VENV := .venv
CANDIDATES := python3.11 python3.12 python3.13 python3.14 python3
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
# Tests wait for real servers much of the time: one worker more than there are processors keeps them busy.
WORKERS ?= $(shell expr $$(nproc) + 1)
PYTHON ?= $(shell for p in $(CANDIDATES); do "$$p" -c '$(NEW_ENOUGH)' 2>/dev/null && echo "$$p" && break; done)
PIP := $(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes --no-deps
LOCK := $(VENV)/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

# Where the environment says so, every process that a test starts would compile 500 files anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: env up test check lint types contracts tidy lock clean

env: $(VENV)/.installed

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (tried: $(CANDIDATES)). Install it, or say make PYTHON=/path/to/python3." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) has no venv module. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python requirements.txt
	@echo "installing dependencies into $(VENV)" >&2
	@$(PIP) -r requirements.txt
	@$(VENV)/bin/python deploy/link.py
	@$(VENV)/bin/python -m compileall -q dispatch domain projections
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	@$(PIP) -r requirements-dev.txt
	@touch $@

up: env
	@exec $(VENV)/bin/dispatch up

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.installed-dev
	$(VENV)/bin/mypy

contracts: $(VENV)/.installed-dev
	$(VENV)/bin/lint-imports

tidy: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest -q tests/house

check: lint types contracts tidy

test: lint types contracts
	$(VENV)/bin/python -m pytest -q -n $(WORKERS) --durations 15

lock: $(VENV)/.installed-dev
	$(LOCK) --output-file requirements.txt pyproject.toml
	$(LOCK) --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
