"""Gather the tables and figures of a study into one HTML file."""

from __future__ import annotations

import json
from argparse import Namespace
from itertools import product
from pathlib import Path

import yaml

from negtrace.report import Section, render
from negtrace.steps.command import run
from negtrace.store import read_provenance, read_table, write_text
from negtrace.tower import SHAPE_FILE


def step(options: Namespace) -> None:
    config = yaml.safe_load(options.config.read_text())
    study = config["study"]
    sections = [
        section(options.results, config, *names)
        for names in product(study["datasets"], study["models"], study["wordings"])
    ]
    write_text(render(study["title"], sections, options.config.read_text()), options.output)


def section(results: Path, config: dict, dataset: str, model: str, wording: str) -> Section:
    """Everything the report shows of one dataset, model and wording."""
    folder = results / dataset / model / wording
    study = config["study"]
    sweeps = [f"{site}.{direction}" for site in study["sites"] for direction in study["directions"]]
    formats = config["figures"]["formats"]
    figures = sorted((folder / "figures").glob("*.svg" if "svg" in formats else "*.png"))
    return Section(
        dataset=dataset,
        model=model,
        wording=wording,
        kind=config["datasets"][dataset]["kind"],
        identity=json.loads((results / "models" / model / SHAPE_FILE).read_text())["identity"],
        provenance=read_provenance(folder / "scores.parquet"),
        excluded=read_table(results / dataset / f"excluded.{wording}.parquet"),
        accuracy=read_table(folder / "accuracy.parquet"),
        selectivity=read_table(folder / "selectivity_map.parquet"),
        maps={sweep: read_table(folder / f"map.{sweep}.parquet") for sweep in sweeps},
        figures={path.stem: path for path in figures if wanted(path.stem, sweeps)},
        tables=sorted(folder.glob("*.parquet")),
        segment=config["figures"]["segment"],
    )


def wanted(figure: str, sweeps: list[str]) -> bool:
    """Whether a figure is of this study (the folder may hold another study's as well)."""
    name, _, direction = figure.partition(".")
    site = {"cte_map": "resid", "head_restoration": "head"}.get(name)
    return site is None or f"{site}.{direction}" in sweeps


if __name__ == "__main__":
    run(step, __doc__, {"config": Path, "results": Path, "output": Path})
