"""Layout: which tables and figures one dataset, model and wording of a study consists of.

For rules and steps alike; imported when Snakemake builds the job graph: standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from negtrace.study.interventions import FIGURE as INTERVENTION
from negtrace.study.places import DATASET_TABLES
from negtrace.vocabulary import CONFIRMATIONS, FIGURES, SEGMENTS, SITES

FEATURE_TABLES = ("features", "feature_summary", "feature_correlations", "accuracy_above_area")

# Of every sweep.
MAP_TABLES = ("map", "donor_map", "spread", "ranks", "overlap", "split_halves")

# Of every run of a templates dataset, and of every sweep of one.
TEMPLATE_TABLES = (
    *("template_map", "template_consensus", "template_variance", "template_agreement"),
    "template_slopes",
)


def atlas_tables(
    study: Mapping[str, Any], models: Sequence[str], bases: Mapping[str, str], model: str
) -> list[str]:
    """Names of the tables of a run that set its model beside others; none if there are no others.

    Args:
        models: those of the study that are no controls.
        bases: what models were made from.
    """
    if len(models) < 2:
        return []
    matched = "head" in study["sites"] and model != study["models"][0]
    return ["atlas", *(["head_matches"] * matched), *(["base_difference"] * (model in bases))]


def template_tables(study: Mapping[str, Any]) -> list[str]:
    """Names of the tables of a run of a templates dataset that no other has."""
    return ["confounds", *(f"{t}.{sweep}" for sweep in sweeps(study) for t in TEMPLATE_TABLES)]


def template_figures(study: Mapping[str, Any]) -> list[str]:
    """Names of the figures of a run of a templates dataset that no other has."""
    heads = [sweep for sweep in sweeps(study) if sweep.startswith("head.")]
    return [f"templates.{sweep.split('.')[1]}" for sweep in heads]


def sweeps(study: Mapping[str, Any]) -> list[str]:
    """``{site}.{direction}`` of every sweep."""
    return [f"{site}.{direction}" for site in study["sites"] for direction in study["directions"]]


def tables(study: Mapping[str, Any]) -> list[str]:
    """Names of all tables of one dataset, model and wording, in the order they are made."""
    return [
        *("alignment", "placebo_alignment", "candidates", "excluded"),
        *("sentences", "scores", "certificate"),
        *(f"sweep.{sweep}" for sweep in sweeps(study)),
        *(f"donor_sweep.{sweep}" for sweep in sweeps(study) if study["donors"]),
        *("attention", "selectivity", "attention_patterns", "segments", "accuracy"),
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


def plain_sweeps(study: Mapping[str, Any]) -> list[str]:
    """Those of sites, without interventions of the study's own."""
    return [sweep for sweep in sweeps(study) if sweep.split(".")[0] in SITES]


def map_figure(sweep: str) -> str:
    """Name of the figure of one sweep's map."""
    site, direction = sweep.split(".")
    return f"{SITES[site].figure if site in SITES else f'{INTERVENTION}.{site}'}.{direction}"


def transfer_figure(sweep: str) -> str:
    """Name of the figure of one sweep's transfer."""
    return f"transfer.{sweep}"


def segment_maps(sweeps: Iterable[str], shown: str) -> dict[str, tuple[str, str]]:
    """(sweep, segment) of the CTE maps of each segment, by name of the figure.

    Args:
        shown: the segment that all maps show, or all: `map_figure` is its map.
    """
    return {
        f"cte_map_{segment}.{sweep.split('.')[1]}": (sweep, segment)
        for sweep in sweeps
        if sweep.startswith("resid.")
        for segment in SEGMENTS
        if segment != shown
    }


def figures(study: Mapping[str, Any], shown: str) -> list[str]:
    """Names of the figures, without ending; shown as in `segment_maps`."""
    return [
        *(figure.name for figure in FIGURES.values() if figure.of_run),
        *map(map_figure, sweeps(study)),
        *segment_maps(sweeps(study), shown),
        *(transfer_figure(s) for s in sweeps(study) if "transfer" in study["donors"]),
        *(figure for name in study["confirm"] for figure in CONFIRMATIONS[name].figures),
    ]


def figure_files(study: Mapping[str, Any], formats: Sequence[str], shown: str) -> list[str]:
    """File names of the figures in every format."""
    return [f"{name}.{ending}" for name in figures(study, shown) for ending in formats]
