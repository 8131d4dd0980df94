# Shared by all rules: the checked configuration, paths, and the hash of each step's code.

import json
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

WORKFLOW = Path(workflow.basedir) / "workflow"
sys.path.insert(0, str(WORKFLOW))

from negtrace.errors import InputError
from negtrace.fingerprint import code_hash
from negtrace.settings import validate

try:
    validate(config)
except InputError as error:
    raise WorkflowError(str(error)) from None

# Jobs find the library also where it is not installed; conda environments unset PYTHONPATH.
shell.prefix(f"export PYTHONPATH={str(WORKFLOW)!r}; ")

STUDY = config["study"]
SCENES = [
    name for name, entry in config["datasets"].items() if entry["kind"] == "scenes"
]

OF_RUN = "results/{dataset}/{model}/{wording}"
LOGS = "results/logs"
BENCHMARKS = "results/benchmarks"


wildcard_constraints:
    dataset="|".join(config["datasets"]),
    model="|".join(config["models"]),
    wording="standard|rephrased",
    site="|".join(STUDY["sites"]),
    direction="negate|affirm",


def annotations(wildcards):
    """The annotation file of a dataset; that of a demo world is drawn first."""
    if wildcards.dataset in SCENES:
        return f"results/{wildcards.dataset}/source/existence.json"
    return config["datasets"][wildcards.dataset]["annotations"]


def image_folder(wildcards):
    """Folder of a dataset's images, or the word generated."""
    if wildcards.dataset in SCENES:
        return f"results/{wildcards.dataset}/source/images"
    return config["datasets"][wildcards.dataset]["images"]


def model_spec(wildcards):
    """A model's entry as JSON."""
    return json.dumps(config["models"][wildcards.model], sort_keys=True)


def model_files(wildcards):
    """Local files that a model is made of: their change remakes the model."""
    entry = config["models"][wildcards.model]
    named = (entry["architecture"], entry["weights"])
    return [name for name in named if Path(name).is_file()]


def compute_options(wildcards):
    """Command-line options of the steps that run a text tower."""
    compute = config["compute"]
    names = ("dtype", "device", "memory_gb")
    return " ".join(f"--{name.replace('_', '-')} {compute[name]}" for name in names)


SWEEPS = [
    f"{site}.{direction}"
    for site in STUDY["sites"]
    for direction in STUDY["directions"]
]

RUN_TABLES = [
    f"{OF_RUN}/{name}.parquet"
    for name in (
        "scores",
        "accuracy",
        "segments",
        "selectivity_map",
        "attention_map",
        *(f"map.{sweep}" for sweep in SWEEPS),
    )
]

# Which figure each site's map becomes.
MAP_FIGURES = {"resid": "cte_map", "head": "head_restoration"}


def figure_tables(wildcards):
    """What the figures of one dataset, model and wording are drawn from."""
    named = {
        name: f"{OF_RUN}/{name}.parquet"
        for name in ("segments", "selectivity_map", "attention_map")
    }
    return {**named, "maps": [f"{OF_RUN}/map.{sweep}.parquet" for sweep in SWEEPS]}


def figure_files():
    """All figure files of one dataset, model and wording."""
    names = ["histogram_of_d", "selectivity", "attention_by_role"]
    names += [
        f"{MAP_FIGURES[sweep.split('.')[0]]}.{sweep.split('.')[1]}" for sweep in SWEEPS
    ]
    return [
        f"{OF_RUN}/figures/{name}.{ending}"
        for name in names
        for ending in config["figures"]["formats"]
    ]


def of_every_run(patterns):
    """The patterns for every dataset, model and wording of the study."""
    return expand(
        patterns,
        dataset=STUDY["datasets"],
        model=STUDY["models"],
        wording=STUDY["wordings"],
    )


def job_memory(wildcards, attempt):
    """Megabytes for a job that runs a model; more on every retry."""
    return int((config["compute"]["memory_gb"] + 4) * 1024 * attempt)


def job_minutes(wildcards, attempt):
    return 60 * attempt
