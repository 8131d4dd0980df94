# Shared by all rules: the checked configuration, paths, and the hash of each step's code.

import json
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

WORKFLOW = Path(workflow.basedir) / "workflow"
sys.path.insert(0, str(WORKFLOW))

from negtrace import layout
from negtrace.errors import InputError
from negtrace.fingerprint import code_hash
from negtrace.settings import is_path, validate

try:
    validate(config)
except InputError as error:
    raise WorkflowError(str(error)) from None

# Jobs find the library where it is not installed as well; conda environments unset PYTHONPATH.
shell.prefix(f"export PYTHONPATH={str(WORKFLOW)!r}; ")

# `python` is Snakemake's own also where its environment is not activated; conda's goes before it.
OWN_PYTHON = str(Path(sys.executable).parent)
os.environ.update(PATH=os.pathsep.join([OWN_PYTHON, *os.get_exec_path()]))

STUDY = config["study"]
SWEEPS = layout.sweeps(STUDY)

OF_RUN = "results/{dataset}/{model}/{wording}"
SOURCE = "results/{dataset}/source"
TOWER = "results/models/{model}"
LOGS = "results/logs"
BENCHMARKS = "results/benchmarks"


def image_kind(dataset):
    """Where a dataset's images come from: scenes, generated, or a folder."""
    entry = config["datasets"][dataset]
    if entry["kind"] == "scenes":
        return "scenes"
    return "folder" if isinstance(entry["images"], str) else entry["images"]["kind"]


def one_of(names):
    """Wildcard constraint: one of the names; without any, nothing matches."""
    return "|".join(names) or "(?!)"


def datasets_with(kind):
    """Wildcard constraint: datasets whose images are of a kind."""
    return one_of([name for name in config["datasets"] if image_kind(name) == kind])


wildcard_constraints:
    dataset=one_of(config["datasets"]),
    model=one_of(config["models"]),
    wording="standard|rephrased",
    site=one_of(layout.MAP_FIGURES),
    direction="negate|affirm",
    shard=r"\d+",


def annotations(wildcards):
    """The annotation file of a dataset; that of a demo world is drawn first."""
    if image_kind(wildcards.dataset) == "scenes":
        return f"{SOURCE}/existence.json"
    return config["datasets"][wildcards.dataset]["annotations"]


def image_folder(wildcards):
    """Folder of a dataset's images."""
    if image_kind(wildcards.dataset) == "folder":
        return config["datasets"][wildcards.dataset]["images"]
    return f"{SOURCE}/images".format(dataset=wildcards.dataset)


def image_source(wildcards):
    """What changes when a dataset's images do: the user's folder, or a list of hashes."""
    if image_kind(wildcards.dataset) == "folder":
        return image_folder(wildcards)
    return f"{SOURCE}/images.sha256"


def model_spec(wildcards):
    """A model's entry as JSON."""
    return json.dumps(config["models"][wildcards.model], sort_keys=True)


def model_files(wildcards):
    """Local files that a model is made of: their change remakes the model."""
    entry = config["models"][wildcards.model]
    return [entry[key] for key in ("architecture", "weights") if is_path(entry[key])]


def figure_tables(wildcards):
    """What the figures of one dataset, model and wording are drawn from."""
    named = ("segments", "selectivity_map", "attention_map")
    return {
        **{name: f"{OF_RUN}/{name}.parquet" for name in named},
        "maps": [f"{OF_RUN}/map.{sweep}.parquet" for sweep in SWEEPS],
    }


def of_every_run(patterns):
    """The patterns for every dataset, model and wording of the study."""
    return expand(
        patterns,
        dataset=STUDY["datasets"],
        model=STUDY["models"],
        wording=STUDY["wordings"],
    )


def of_every_dataset(pattern):
    """The pattern for every dataset and wording of the study."""
    return expand(pattern, dataset=STUDY["datasets"], wording=STUDY["wordings"])


# How much room a job gets changes no result, so it is a resource: a parameter would rerun jobs.
DEVICE = config["compute"]["device"]
ACTIVATION_MB = round(config["compute"]["memory_gb"] * 1024)


def model_memory(wildcards, attempt):
    """Megabytes for a job that runs a model: activations, weights, libraries; more on a retry."""
    return (ACTIVATION_MB + 4096) * attempt


def model_minutes(wildcards, attempt):
    return 60 * attempt


def table_memory(wildcards, attempt):
    return 3000 * attempt


def table_minutes(wildcards, attempt):
    return 10 * attempt
