# Everything happens in .venv. Another Python is chosen by `make setup PYTHON=/path/to/python3.12`.

SHELL := /bin/bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)
PYTHON ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test long-test crash-test shuffle-test fuzz check lint types imports lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## make .venv with everything in it; quick when nothing has changed
	@PYTHON="$(PYTHON)" scripts/setup

run: setup  ## start it all with a simulated shop
	@liveshelf up --demo --dev

test: setup  ## run the tests but the long ones, two files at a time; TESTS="tests/unit" for some
	@python -m pytest -ra -n 2 --dist loadfile --no-loadscope-reorder -m "not long" $(TESTS)

long-test: setup  ## run the long tests one by one, 9 minutes: the demonstration, clusters, kills, a power cut, benchmarks
	@python -m pytest -ra -m long

crash-test: setup  ## kill everything again and again during replays of LIVESHELF_DATA, 25 minutes; CRASH="--seed 2"
	@python -m tests.crash --log both $(CRASH)

shuffle-test: setup  ## the file of LIVESHELF_DATA out of order, late and twice; SHUFFLE="--seed 2"
	@python -m tests.crash.shuffle $(SHUFFLE)

fuzz: setup  ## feed the decoder damaged events, guided by coverage; FUZZ="--runs 1000000 --seed 2"
	@python -m tests.fuzz.decoder $(FUZZ)

check: lint types imports long-test test  ## everything that CI checks

lint: setup
	ruff check .
	ruff format --check .

types: setup
	mypy

imports: setup
	lint-imports

lock: setup  ## choose the newest versions that pyproject.toml allows: pins and hashes only
	uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --quiet \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--group dev pyproject.toml --output-file requirements.lock

clean:  ## remove .venv and caches; the data folder .liveshelf stays
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache ./*.egg-info
	find . -name __pycache__ -type d -not -path './.liveshelf/*' -prune -exec rm -rf {} +
