"""Layout: what one dataset, model and wording of a study consists of, for rules and steps alike.

Imported when Snakemake builds the job graph: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TOWER_DESCRIPTION = "tower.json"

# Which figure each site's map becomes.
MAP_FIGURES = {"resid": "cte_map", "head": "head_restoration"}


def sweeps(study: Mapping[str, Any]) -> list[str]:
    """``{site}.{direction}`` of every sweep."""
    return [f"{site}.{direction}" for site in study["sites"] for direction in study["directions"]]


def tables(study: Mapping[str, Any]) -> list[str]:
    """Names of all tables of one dataset, model and wording, in the order they are made."""
    return [
        *("alignment", "sentences", "scores"),
        *(f"sweep.{sweep}" for sweep in sweeps(study)),
        *("attention", "selectivity", "segments", "accuracy"),
        *(f"map.{sweep}" for sweep in sweeps(study)),
        *("selectivity_map", "attention_map"),
    ]


def map_figure(sweep: str) -> str:
    """Name of the figure of one sweep's map."""
    site, direction = sweep.split(".")
    return f"{MAP_FIGURES[site]}.{direction}"


def figures(study: Mapping[str, Any]) -> list[str]:
    """Names of the figures, without ending."""
    fixed = ["histogram_of_d", "selectivity", "attention_by_role"]
    return fixed + [map_figure(sweep) for sweep in sweeps(study)]


def figure_files(study: Mapping[str, Any], formats: Sequence[str]) -> list[str]:
    """File names of the figures in every format."""
    return [f"{name}.{ending}" for name in figures(study) for ending in formats]
