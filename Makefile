# make demo: the default study, from nothing to its report.  make test: lint and all tests.
# make test-cluster: studies by submission to a small Slurm cluster of their own, and into a bucket.
# make test-faults: kills, full disks, damaged tables and odd machines, in long series.
# make coverage: which lines of the engine and the statistics no test of theirs runs.
# make bench: the engine against its peers.  make docs: the documentation, as a small site.
# make page: the report's script from its sources in page/ (needs node).
# make pins: exact conda packages for this platform, by the conda that is at hand.
# All make an environment of their own in .venv first; PYTHON chooses the interpreter (3.11+), and
# TORCH_INDEX an index of wheels that torch is taken from, such as PyTorch's for CPUs.

PYTHON ?= python3
TORCH_INDEX ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Jobs of the workflow find this environment's python too.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test test-cluster test-faults lint coverage bench docs gallery page pins rulegraph clean

demo: .venv/run.stamp
	$(BIN)/snakemake --cores all
	@echo
	@echo "The report is $(CURDIR)/results/report.html"

test: lint
	$(BIN)/python -m pytest --numprocesses 2

# Mostly waiting. Says why what it leaves out: Slurm comes from the distribution
# (slurmctld slurmd slurm-client munge; slurmdbd mariadb-server).
test-cluster: .venv/cluster.stamp
	$(BIN)/python -m pytest --numprocesses 3 -m cluster -rs tests/cluster

test-faults: .venv/test.stamp
	$(BIN)/python -m pytest --numprocesses 2 -m faults tests/workflow

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint
	$(BIN)/mypy
	$(BIN)/lint-imports

# Of the engine and the statistics, by the tests that are about them.
coverage: .venv/test.stamp
	$(BIN)/python -m pytest --numprocesses 2 tests/patching tests/statistics tests/analyses \
		tests/models/test_tower.py tests/models/test_linear.py tests/test_trace.py \
		--cov=negtrace.patching --cov=negtrace.statistics \
		--cov-report=term-missing:skip-covered --cov-fail-under=95

bench: .venv/bench.stamp
	$(BIN)/python benchmarks/bench.py

docs: .venv/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo
	@echo "The site is $(CURDIR)/build/site/index.html"

# The figures that docs/ shows, drawn anew from a study of their own.
gallery: .venv/run.stamp
	$(BIN)/snakemake $$($(BIN)/python docs/make_gallery.py --sources) --cores all \
		--configfile docs/gallery.yaml
	$(BIN)/python docs/make_gallery.py

# Which rule needs which, for the documentation (needs graphviz): of a study that does everything,
# but for rules that download.
rulegraph: .venv/run.stamp
	$(BIN)/snakemake --rulegraph dot --configfile docs/gallery.yaml workflow/studies/atlas_demo.yaml \
		--config 'study={datasets: [demo, sentences], donors: [placebo, transfer], confirm: [contributions, ablation, edges, attribution, mending, mechanism, direction]}' \
		| dot -Tsvg > docs/rulegraph.svg

page: page/node_modules/.package-lock.json
	cd page && npm run check && npm test && npm run build

page/node_modules/.package-lock.json: page/package.json page/package-lock.json
	cd page && npm ci

.venv/run.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "negtrace needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(if $(TORCH_INDEX),grep -oE '"torch(vision)?==[^"]+' pyproject.toml | tr -d '"' | xargs $(PIP) --no-deps --index-url $(TORCH_INDEX))
	$(PIP) --editable .
	touch $@

.venv/test.stamp: .venv/run.stamp
	$(PIP) --editable ".[test]"
	touch $@

.venv/cluster.stamp: .venv/test.stamp
	$(PIP) --editable ".[slurm,generic,kubernetes,s3,test-cluster]"
	touch $@

.venv/bench.stamp: .venv/run.stamp benchmarks/requirements.txt
	$(PIP) -r benchmarks/requirements.txt
	touch $@

.venv/docs.stamp: .venv/run.stamp
	$(PIP) --editable ".[docs]"
	touch $@

# Solved where it runs: conda takes pytorch's build for CUDA where there is a GPU.
pins:
	for name in analysis inputs torch; do \
		conda env create --quiet --file envs/$$name.yaml --prefix build/pins/$$name \
		&& conda list --explicit --md5 --prefix build/pins/$$name \
			> envs/$$name.$$(conda info --json | sed -n 's/.*"platform": "\([^"]*\)".*/\1/p').pin.txt \
		|| exit 1; done

clean:
	rm -rf .venv .snakemake build
	find results -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
