# Every target makes the environment in .venv/ first, and again when pyproject.toml or the constraints change.
#   make bench            the main job: data, runs, leaderboard
#   make test             all tests
#   make help             the other targets and their variables

# The interpreter of an existing .venv/, else python3. Another one: make setup PYTHON=python3.12
PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)
SUITE ?= quick
WORKERS ?= 2

VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
CONSTRAINTS := constraints/$(if $(filter 3.11,$(VERSION)),py311,py312).txt
# Its name holds the folder, because an environment that was moved or copied still points to where it was made.
STAMP := .venv/.installed-$(or $(VERSION),none)-$(firstword $(shell printf %s '$(CURDIR)' | cksum))
BIN := .venv/bin
RUN_FLAGS = $(if $(UPDATES),--updates $(UPDATES)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(OUT),--out $(OUT)) $(ARGS)
# Tracing and compiling small programs takes one core, so two workers nearly halve the time (groups: tests/conftest.py).
PARALLEL = $(if $(filter-out 0 1,$(WORKERS)),-n $(WORKERS) --dist loadgroup)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup fmt format-check lint types layers check test test-fast test-slow bench speed data table report new clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-13s %s\n", $$1, $$2}'
	@echo "  variables: SUITE=quick UPDATES= SEEDS= OUT= ARGS= (bench), WORKERS=2 (tests), PYTHON= (setup)"

setup: $(STAMP) ## only make the environment in .venv/ (PYTHON=python3.12 for another interpreter)

$(STAMP): pyproject.toml $(CONSTRAINTS)
	@case "$(VERSION)" in \
	  "") echo "cannot run '$(PYTHON)'; give a Python of at least 3.11, as in: make setup PYTHON=python3.12" >&2; exit 1;; \
	  2.*|3.[0-9]|3.10) echo "jaxrl needs Python 3.11 or newer, but '$(PYTHON)' is $(VERSION); give another, as in: make setup PYTHON=python3.12" >&2; exit 1;; \
	esac
	@echo "making the environment in .venv/ (Python $(VERSION), pinned by $(CONSTRAINTS)); the first time takes a minute or two"
	@test -e $(STAMP) || $(PYTHON) -m venv --clear .venv || { rm -rf .venv; exit 1; }
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c $(CONSTRAINTS) -e '.[dev]'
	@touch $@

fmt: setup ## format the code and repair what the linter can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

format-check: setup
	$(BIN)/ruff format --check

lint: setup ## what ruff finds
	$(BIN)/ruff check

types: setup ## what mypy finds
	$(BIN)/mypy

layers: setup ## directions of imports, sizes, words, import time
	$(BIN)/pytest -q tests/structure

check: format-check lint types layers setup ## format, lint, types, structure, fast tests
	$(BIN)/pytest -q -m "not slow" --ignore=tests/structure $(PARALLEL)

test: test-fast test-slow ## all tests: the fast ones, then those that train

test-fast: setup ## the fast tests
	$(BIN)/pytest -q -m "not slow" $(PARALLEL) $(ARGS)

test-slow: setup ## the tests that train
	$(BIN)/pytest -q -m slow $(PARALLEL) $(ARGS)

bench: setup ## run a suite and print its leaderboard (SUITE= UPDATES= SEEDS= OUT=)
	@$(BIN)/jaxrl bench $(SUITE) $(RUN_FLAGS)

speed: setup ## updates per second, against the yardstick where JAXRL_YARDSTICKS is set
	@set -e; for file in benchmarks/speed/*.py; do $(BIN)/python -m "benchmarks.speed.$$(basename "$$file" .py)" $(ARGS); done

data: setup ## build the embedded datasets, or the one named by ID=
	@$(BIN)/jaxrl data build $(or $(ID),all) $(ARGS)

table: setup ## a suite's tables again, from scores already written (SUITE= or OUT=)
	@$(BIN)/jaxrl table $(or $(OUT),results/$(SUITE)) $(ARGS)

report: setup ## a page of all results, from scores already written (SUITE=, or OUT= for another folder)
	@$(BIN)/jaxrl report $(or $(OUT),results/$(SUITE)) $(ARGS)

new: setup ## an algorithm's file to start from: make new NAME=offline/my_idea PARENT=td3_bc
	@test -n "$(NAME)" || { echo "make new needs NAME=, as in: make new NAME=offline/my_idea PARENT=td3_bc" >&2; exit 1; }
	@$(BIN)/jaxrl new $(NAME) $(if $(PARENT),--parent $(PARENT)) $(ARGS)

clean: ## remove the environment and caches; keeps results/ and datasets/built/
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
