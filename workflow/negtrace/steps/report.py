"""Gather the tables and figures of a study into one HTML file."""

from __future__ import annotations

import json
from argparse import Namespace
from itertools import product
from pathlib import Path

import pandas as pd
import yaml

from negtrace import layout
from negtrace.derived import neutral_control
from negtrace.lineage import read_tables
from negtrace.published import is_published
from negtrace.report import Comparison, Section, render
from negtrace.steps.command import run
from negtrace.store import read_provenance, read_table, write_text


def step(options: Namespace) -> None:
    config = yaml.safe_load(options.config.read_text())
    study = config["study"]
    sections = [
        section(options.results, config, *names, options.alpha)
        for names in product(study["datasets"], study["models"], study["wordings"])
    ]
    comparisons = [
        comparison(options.results, config, *names)
        for names in product(study["datasets"], study["models"])
    ]
    html = render(study["title"], sections, options.config.read_text(), comparisons)
    write_text(html, options.output)


def comparison(results: Path, config: dict, dataset: str, model: str) -> Comparison:
    """One dataset and model beside published numbers."""
    folder, entry = results / dataset / model, config["models"][model]
    published = "plant" not in entry and is_published(entry["architecture"], entry.get("weights"))
    return Comparison(
        dataset=dataset,
        model=model,
        summary=read_table(folder / "ledger_summary.parquet"),
        identity=read_table(results / "models" / model / "identity.parquet") if published else None,
        figure=folder / f"ledger.{shown_format(config)}",
    )


def shown_format(config: dict) -> str:
    """The format of the figures that go into the report."""
    formats = config["figures"]["formats"]
    return "svg" if "svg" in formats else formats[0]


def section(
    results: Path, config: dict, dataset: str, model: str, wording: str, alpha: float
) -> Section:
    """Everything the report shows of one dataset, model and wording."""
    folder = results / dataset / model / wording
    study, ending = config["study"], shown_format(config)
    labels = {"dataset": dataset, "model": model, "wording": wording}

    def table(name: str) -> pd.DataFrame:
        return read_tables({name: folder / f"{name}.parquet"}, labels)[name]

    description = json.loads((results / "models" / model / layout.TOWER_DESCRIPTION).read_text())
    # By name, because the folder may hold another study's figures and a killed job's leavings.
    figures = {name: folder / "figures" / f"{name}.{ending}" for name in layout.figures(study)}
    planted = None
    if "plant" in config["models"][model] and wording == "rephrased":
        planted = table("planted")
        figures["planted"] = folder / f"planted.{ending}"
    return Section(
        dataset=dataset,
        model=model,
        wording=wording,
        kind=config["datasets"][dataset]["kind"],
        identity=description["identity"],
        provenance=read_provenance(folder / "scores.parquet"),
        excluded=pd.concat(
            read_table(path)
            for path in (
                results / dataset / f"excluded.{wording}.parquet",
                folder / "excluded.parquet",
            )
        ).drop_duplicates("item_id"),
        accuracy=table("accuracy"),
        selectivity=table("selectivity_map"),
        maps={sweep: table(f"map.{sweep}") for sweep in layout.sweeps(study)},
        figures=figures,
        planted=planted,
        specificity={
            sweep: table(f"specificity.{sweep}")
            for sweep in layout.sweeps(study)
            if neutral_control(config["datasets"], dataset)
        },
        tables=[folder / f"{name}.parquet" for name in layout.tables(study)],
        segment=config["figures"]["segment"],
        items=table("segments"),
        stability={
            sweep: (
                table(f"overlap.{sweep}"),
                table(f"split_halves.{sweep}"),
            )
            for sweep in layout.sweeps(study)
        },
        alpha=alpha,
        confirmation=(
            (
                table("confirmation"),
                table("ablations"),
            )
            if "ablation" in study["confirm"]
            else None
        ),
    )


if __name__ == "__main__":
    run(step, __doc__, {"config": Path, "results": Path, "alpha": float, "output": Path})
