# make demo: the default study, from nothing to its report.  make test: lint and all tests.
# Both make an environment of their own in .venv first; PYTHON chooses the interpreter (3.11+).

PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test lint clean

demo: .venv/run.stamp
	snakemake --cores all
	@echo
	@echo "The report is $(CURDIR)/results/report.html"

test: lint
	$(BIN)/pytest

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint

.venv/run.stamp: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/test.stamp: .venv/run.stamp
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

clean:
	rm -rf .venv results/[!R]* .snakemake
