# Shared by all rules: the checked configuration, paths, and the hash of each step's code.

import json
import os
import sys
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake.utils import update_config

# Of this file: `workflow.basedir` is that of a workflow that embeds this one.
try:
    WORKFLOW = Path(workflow.current_basedir).parent
except TypeError:
    print(
        "error: negtrace was embedded by an address, which brings no library: clone it and "
        "let the module's `snakefile` be a path",
        file=sys.stderr,
    )
    sys.exit(2)
ROOT = WORKFLOW.parent
# First, and without the working folder and the checkout, whose modules would shadow others.
sys.path[:] = [
    str(WORKFLOW),
    *(
        path
        for path in sys.path
        if Path(path or ".").resolve() not in (Path.cwd(), ROOT)
    ),
]

from negtrace import vocabulary
from negtrace.errors import InputError
from negtrace.replication.published import is_published
from negtrace.study import (
    checkout,
    console,
    contrasts,
    control_entries,
    extensions,
    interventions,
    layout,
    places,
)
from negtrace.study.kept_hashes import code_hash
from negtrace.study.dataset_kinds import CODE, download_of, downloaded_name, kinds
from negtrace.study.folder_state import state_of
from negtrace.study.last_words import last_words
from negtrace.study.model_sources import model_files as files_of_model
from negtrace.study.model_sources import seeds
from negtrace.study.settings import validate
from negtrace.study.step_source import shell_line, shown_line

# Whether jobs run on this machine.
IS_LOCAL = workflow.resource_settings.nodes is None

try:
    # A module that is given a configuration does not read its own file.
    defaults = load_configfile(str(ROOT / "config.yaml"))
    update_config(defaults, config)
    config = checkout.with_own_files(defaults, ROOT)
    validate(config)
    config = extensions.with_versions(control_entries.with_controls(config))
    # 1 or 0, as huggingface_hub reads it.
    OFFLINE = int(
        config["downloads"]["offline"]
        or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    )
    # Conda environments unset PYTHONPATH, so every line sets it.
    shell.prefix(
        checkout.shell_prefix(
            WORKFLOW, {"HF_HUB_OFFLINE": OFFLINE, "HF_DATASETS_OFFLINE": OFFLINE}
        )
    )
    if workflow.is_main_process:
        checkout.check_machine(config["compute"]["device"], local=IS_LOCAL)
        if "--unlock" not in sys.argv and (notice := checkout.lock_notice(Path())):
            print(notice, file=sys.stderr)
        if console.install(logger, workflow, Path("results/benchmarks")):
            if workflow.output_settings.dryrun:
                # Of a dry run the plan is all: with these, Snakemake stops there.
                workflow.output_settings.quiet = {Quietness.RULES, Quietness.PROGRESS}
    if "prefetch" in sys.argv and not config["downloads"]["mirror"]:
        raise InputError("there is no mirror to fill: set downloads.mirror to a folder")
except InputError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)

# `python` is Snakemake's own also where its environment is not activated; conda's goes before it.
OWN_PYTHON = str(Path(sys.executable).parent)
PATHS = os.pathsep.join([OWN_PYTHON, *os.get_exec_path()])
os.environ.update(PATH=PATHS, PYTHONSAFEPATH="1")

STUDY = config["study"]
SWEEPS = layout.sweeps(STUDY)
SHARDS = config["compute"]["shards"]

# Constructed models; entries of all models without what changes no model, constructed ones with the
# files that they get.
PLANTS = {
    name: entry["plant"] for name, entry in config["models"].items() if "plant" in entry
}
MODELS = {
    **{
        name: {key: entry[key] for key in entry if key not in ("base", "threads")}
        for name, entry in config["models"].items()
    },
    **{name: places.planted_files(f"results/models/{name}") for name in PLANTS},
}

# What models were made from, by name; models that are no controls.
BASES = {
    name: entry["base"] for name, entry in config["models"].items() if "base" in entry
}
BESIDE = control_entries.without_controls(config)["study"]["models"]

# Kinds of datasets that are files of items, and of those that are derived from others.
READERS = kinds()
DERIVED = control_entries.KINDS

# Environments of jobs on tables, jobs that run a model, and jobs that fetch inputs.
ANALYSIS, TORCH, INPUTS = (
    f"../../envs/{name}.yaml" for name in ("analysis", "torch", "inputs")
)

# Where tables lie: of a dataset; of a model; of both; of both and a wording, which is one run.
SOURCE = "results/{dataset}/source"
ANNOTATIONS = f"{SOURCE}/existence.json"
PICTURES = f"{SOURCE}/images"
MASKS = f"{SOURCE}/masks"
DOWNLOADED = f"{SOURCE}/{{file}}"
SEGMENTER = f"{SOURCE}/segmenter.json"
ITEMS = "results/{dataset}/items.parquet"
IMAGE_FILES = "results/{dataset}/image_files.parquet"
FILES_READ = "results/{dataset}/files_read.json"
SUBJECT_SIZES = "results/{dataset}/subject_sizes.parquet"
CANDIDATES = "results/{dataset}/candidates.{wording}.parquet"
REJECTED = "results/{dataset}/rejected.{wording}.parquet"
DESIGNS = "results/{dataset}/designs.parquet"
PAIRS = "results/{dataset}/pairs.{wording}.parquet"
EXCLUDED = "results/{dataset}/excluded.{wording}.parquet"
TOWER = "results/models/{model}"
WEIGHTS = f"{TOWER}/weights.json"
STUDY_TESTS = f"{TOWER}/study_tests.parquet"
TOWER_FILES = [f"{TOWER}/tower.safetensors", f"{TOWER}/{places.TOWER_DESCRIPTION}"]
OF_MODEL = "results/{dataset}/{model}"
OF_RUN = f"{OF_MODEL}/{{wording}}"

# Wildcards of a run, as they stand in the names of logs.
RUN = "{dataset}.{model}.{wording}"

# What a text tower is run on.
RUN_INPUTS = {
    "tower": TOWER_FILES,
    "alignment": f"{OF_RUN}/alignment.parquet",
    "candidates": f"{OF_RUN}/candidates.parquet",
    "images": f"{OF_MODEL}/images.parquet",
}


def log_of(rule, wildcards=""):
    """Log of a rule's jobs."""
    return f"results/logs/{'.'.join(filter(None, (rule, wildcards)))}.log"


def benchmark_of(rule, wildcards=""):
    """Time and memory of a rule's jobs."""
    return f"results/benchmarks/{'.'.join(filter(None, (rule, wildcards)))}.tsv"


def of_sweeps(table):
    """A kind of table of every sweep of a run."""
    return [f"{OF_RUN}/{table}.{sweep}.parquet" for sweep in SWEEPS]


def as_json(value):
    """A setting as a step reads it."""
    return json.dumps(value, sort_keys=True)


STATISTICS = as_json(config["statistics"])
ALPHA = round(1 - config["statistics"]["level"], 6)
FORMATS = config["figures"]["formats"]
INTERVENTIONS = interventions.used(config)
SHOWN = {"alpha": ALPHA, "segments": config["segments"], "interventions": INTERVENTIONS}
FIGURES = as_json({**config["figures"], **SHOWN})


def image_kind(dataset):
    """Where a dataset's images come from: scenes, huggingface, generated, zip, or a folder."""
    entry = config["datasets"][dataset]
    images = entry.get("images", {"kind": entry["kind"]})
    return "folder" if isinstance(images, str) else images["kind"]


def annotation_kind(dataset):
    """Where a dataset's items come from: its kind, or a file somewhere else."""
    entry = config["datasets"][dataset]
    return "download" if download_of(entry) else entry["kind"]


def subject_kind(dataset):
    """Where sizes of a dataset's subjects come from: masks, boxes, clipseg or none."""
    entry = config["datasets"][dataset]
    default = "masks" if entry["kind"] == "scenes" else "none"
    return entry.get("subjects", {"kind": default})["kind"]


def one_of(names):
    """Wildcard constraint: one of the names; without any, nothing matches."""
    return "|".join(names) or "(?!)"


def datasets_with(kinds, kind_of):
    """Wildcard constraint: datasets of certain kinds."""
    return one_of([name for name in config["datasets"] if kind_of(name) in kinds])


wildcard_constraints:
    dataset=one_of(config["datasets"]),
    model=one_of(config["models"]),
    wording=one_of(vocabulary.WORDINGS),
    sweep=one_of(SWEEPS),
    direction=one_of(vocabulary.DIRECTIONS),
    shard=r"\d+",


# Datasets of the study whose subjects are segmented, and models whose outputs are published.
SEGMENTED = [name for name in STUDY["datasets"] if subject_kind(name) == "clipseg"]
PUBLISHED = [
    name
    for name in STUDY["models"]
    if is_published(MODELS[name]["architecture"], MODELS[name].get("weights"))
]


# How much room a job gets, and how inputs are fetched, changes no result, so it is a resource: a
# parameter would rerun jobs. Jobs on tables get what the profile says.
DTYPE = config["compute"]["dtype"]
IMAGE_BATCH = config["compute"]["image_batch"]
ACTIVATION_MB = round(config["compute"]["memory_gb"] * 1024)


def model_threads(wildcards):
    """CPU threads of a job that runs a model: its entry's, or those of all."""
    given = config["models"][wildcards.model]
    return given.get("threads", config["compute"]["threads"])


def model_memory(wildcards, attempt):
    """Megabytes for a job that runs a model: activations, weights, libraries; more on a retry."""
    return (ACTIVATION_MB + 4096) * attempt


def model_minutes(wildcards, attempt):
    return 60 * attempt


def sweeps_minutes(wildcards, attempt):
    """Of a job on all sweeps of a run; one that is retried goes on where it was ended."""
    return (45 + 15 * len(SWEEPS)) * attempt


def maps_minutes(wildcards, attempt):
    """Of a job on the tables of all sweeps of a run."""
    return 5 * (1 + len(SWEEPS)) * attempt


def short_minutes(wildcards, attempt):
    return 20 * attempt


def download_minutes(wildcards, attempt):
    return 180 * attempt


# On a cluster, jobs of one group that depend on each other are one submission: a group's name is that
# of what a job costs. Slots are those of a submission: a model takes all, tables share them. Where
# nothing is submitted there are no groups: Snakemake takes 20 s to check those of 100 models (-n).
IS_SUBMITTED = not (workflow.is_main_process and IS_LOCAL)
SHORT_RUNS, TABLES = ("short_runs", "tables") if IS_SUBMITTED else (None, None)
SLOTS = 4


resource_scopes:
    slots="local",


# Said here because Snakemake does not tell the processes inside a submission what a profile says.
if IS_SUBMITTED:
    workflow.register_resource("slots", SLOTS)


# Priority of the longest jobs, which would keep the report waiting, and of short ones that the runs of
# models wait for.
AHEAD = 1

MODEL_JOB = {
    "mem_mb": model_memory,
    "runtime": model_minutes,
    "device": config["compute"]["device"],
    "activation_mb": ACTIVATION_MB,
    "slots": SLOTS,
    # What a cluster is asked for.
    **({"gpu": 1} if config["compute"]["device"] == "cuda" else {}),
}
SWEEPS_JOB = {**MODEL_JOB, "runtime": sweeps_minutes}
SHORT_MODEL_JOB = {**MODEL_JOB, "runtime": short_minutes}
DOWNLOAD_JOB = {
    "runtime": download_minutes,
    "mirror": config["downloads"]["mirror"] or "",
    "offline": OFFLINE,
    "connections": config["downloads"]["connections"],
}
