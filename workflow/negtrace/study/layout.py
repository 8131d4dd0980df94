"""Layout: which tables and figures one dataset, model and wording of a study consists of.

For rules and steps alike; imported when Snakemake builds the job graph: standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from negtrace.vocabulary import CONFIRMATIONS, FIGURES, SEGMENTS, SITES

# Where all results go, from the working folder.
RESULTS = "results"

TOWER_DESCRIPTION = "tower.json"
TOWER_WEIGHTS = "tower.safetensors"

FEATURE_TABLES = ("features", "feature_summary", "feature_correlations", "accuracy_above_area")

# Of a dataset and wording, whatever the model.
DATASET_TABLES = ("pairs", "excluded")

# Of every sweep.
MAP_TABLES = ("map", "ranks", "overlap", "split_halves")


def sweeps(study: Mapping[str, Any]) -> list[str]:
    """``{site}.{direction}`` of every sweep."""
    return [f"{site}.{direction}" for site in study["sites"] for direction in study["directions"]]


def tables(study: Mapping[str, Any]) -> list[str]:
    """Names of all tables of one dataset, model and wording, in the order they are made."""
    return [
        *("alignment", "candidates", "excluded", "sentences", "scores"),
        *(f"sweep.{sweep}" for sweep in sweeps(study)),
        *("attention", "selectivity", "segments", "accuracy"),
        *(f"{table}.{sweep}" for sweep in sweeps(study) for table in MAP_TABLES),
        *("selectivity_map", "attention_map", "selectivity_correlation"),
        *FEATURE_TABLES,
        *confirmation_tables(study),
    ]


def confirmation_tables(study: Mapping[str, Any]) -> list[str]:
    """Names of the tables of the study's confirmations."""
    return [table for name in study["confirm"] for table in CONFIRMATIONS[name].tables]


def ledger_tables(study: Mapping[str, Any]) -> list[str]:
    """Names of the tables of one wording that published numbers are compared with."""
    return [
        *(*DATASET_TABLES, "accuracy", "selectivity_map", "attention_map"),
        *("selectivity_correlation", *FEATURE_TABLES[1:]),
        *(f"map.{sweep}" for sweep in sweeps(study) if sweep == "resid.negate"),
    ]


def wording_and_table(path: PurePath) -> tuple[str, str]:
    """The wording that a table is of, and its kind, from where it lies."""
    name, _, rest = path.stem.partition(".")
    if name in DATASET_TABLES:
        return rest, name
    return path.parent.name, "restoration_map" if name == "map" else name


def planted_files(folder: str) -> dict[str, str]:
    """What a planted model is made of, by key of a model's entry; its name is the folder's."""
    stem = f"{folder}/plant/{folder.rsplit('/', 1)[-1]}"
    return {"architecture": f"{stem}.json", "weights": f"{stem}.safetensors"}


def map_figure(sweep: str) -> str:
    """Name of the figure of one sweep's map."""
    site, direction = sweep.split(".")
    return f"{SITES[site].figure}.{direction}"


def segment_maps(sweeps: Iterable[str]) -> dict[str, tuple[str, str]]:
    """(sweep, segment) of the CTE maps of each segment, by name of the figure."""
    return {
        f"cte_map_{segment}.{sweep.split('.')[1]}": (sweep, segment)
        for sweep in sweeps
        if sweep.startswith("resid.")
        for segment in SEGMENTS
    }


def figures(study: Mapping[str, Any]) -> list[str]:
    """Names of the figures, without ending."""
    return [
        *(figure.name for figure in FIGURES.values() if figure.of_run),
        *map(map_figure, sweeps(study)),
        *segment_maps(sweeps(study)),
        *(figure for name in study["confirm"] for figure in CONFIRMATIONS[name].figures),
    ]


def figure_files(study: Mapping[str, Any], formats: Sequence[str]) -> list[str]:
    """File names of the figures in every format."""
    return [f"{name}.{ending}" for name in figures(study) for ending in formats]
