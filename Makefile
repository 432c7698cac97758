# Each target sets up all it needs in .venv, in this folder; only Python 3.11 or newer and make are taken for granted.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help demo test test-arm lint format bench board models clean

help:
	@echo "make demo      filter a photograph in several tweaked ways; pictures go to demo-output/"
	@echo "make test      run every test"
	@echo "make test-arm  run AArch64 code in an emulator (qemu-user) and check what it computes"
	@echo "make lint      check style and types"
	@echo "make bench     compare with other libraries"
	@echo "make board     the same with every setting, written to docs/ (an hour and a half on a quiet machine)"
	@echo "make models    whole networks against PyTorch and Keras, written to docs/models.md (ten minutes on a quiet machine)"
	@echo "make clean     remove what these made"

demo: $(VENV)/ready-demo
	$(RUN) -m tweakconv.demo

test: $(VENV)/ready-test
	$(RUN) -m pytest --numprocesses auto

test-arm: $(VENV)/ready-test
	$(RUN) -m pytest --numprocesses auto -p tests.arm.processor tests/arm/check_*.py

lint: $(VENV)/ready-lint
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

format: $(VENV)/ready-lint
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

bench: $(VENV)/ready-bench
	$(VENV)/bin/tweakconv bench

board: $(VENV)/ready-bench
	$(VENV)/bin/tweakconv bench --full --write docs --force

models: $(VENV)/ready-models
	$(RUN) benchmarks/models.py --write docs/models.md --force

clean:
	rm -rf $(VENV) demo-output .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The versions in constraints.txt are known to work together.
$(VENV)/ready-%: $(VENV)/python pyproject.toml constraints.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$*]'
	@touch $@

$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "tweakconv needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	       "Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
