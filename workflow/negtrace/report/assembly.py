"""Assembly of the report: what of a study's results each part of the page shows."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from negtrace.replication.published import is_published
from negtrace.report.page import Choices, Comparison, render
from negtrace.report.section import Section
from negtrace.statistics.credible import with_study_tests
from negtrace.study import layout, places
from negtrace.study.contrasts import contrast_of
from negtrace.tables.lineage import read_tables
from negtrace.tables.store import read_provenance, read_table


def report_of(config_file: Path, results: Path, alpha: float) -> str:
    """The report of a study as one HTML document.

    Args:
        config_file: the merged configuration as YAML.
        results: folder of the results, all of the study's there.
        alpha: level of the tests.

    Raises:
        InputError: a table is missing, damaged or of another study.
    """
    text = config_file.read_text(encoding="utf-8")
    config = yaml.safe_load(text)
    study = config["study"]
    sections = [
        section(results, config, *names, alpha)
        for names in product(study["datasets"], study["models"], study["wordings"])
    ]
    comparisons = [
        comparison(results, config, *names) for names in product(study["datasets"], study["models"])
    ]
    if "head" not in study["sites"]:
        return render(study["title"], sections, text, comparisons)
    choices = [
        choices_of(results, config, *names) for names in product(study["datasets"], study["models"])
    ]
    return render(study["title"], sections, text, comparisons, choices)


def choices_of(results: Path, config: dict[str, Any], dataset: str, model: str) -> Choices:
    """One dataset and model under other ways of analysing it."""
    folder, labels = results / dataset / model, {"dataset": dataset, "model": model}
    paths = {"specification": folder / "specification.parquet"}
    return Choices(
        dataset=dataset,
        model=model,
        curve=read_tables(paths, labels)["specification"],
        figure=folder / f"specification.{shown_format(config)}",
    )


def comparison(results: Path, config: dict[str, Any], dataset: str, model: str) -> Comparison:
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


def shown_format(config: dict[str, Any]) -> str:
    """The format of the figures that go into the report."""
    formats = config["figures"]["formats"]
    return "svg" if "svg" in formats else formats[0]


def section(
    results: Path, config: dict[str, Any], dataset: str, model: str, wording: str, alpha: float
) -> Section:
    """Everything the report shows of one dataset, model and wording."""
    folder = results / dataset / model / wording
    study, ending = config["study"], shown_format(config)
    labels = {"dataset": dataset, "model": model, "wording": wording}

    def table(name: str) -> pd.DataFrame:
        return read_tables({name: folder / f"{name}.parquet"}, labels)[name]

    family = read_table(results / "models" / model / "study_tests.parquet", "study_tests")
    tests = family[(family["dataset"] == dataset) & (family["wording"] == wording)]
    description = json.loads((results / "models" / model / places.TOWER_DESCRIPTION).read_text())
    # By name, because the folder may hold another study's figures and a killed job's leavings.
    figures = {name: folder / "figures" / f"{name}.{ending}" for name in layout.figures(study)}
    planted = None
    if "plant" in config["models"][model] and wording == "rephrased":
        planted = table("planted")
        figures["planted"] = folder / f"planted.{ending}"
    templates: dict[str, dict[str, pd.DataFrame]] = {}
    if config["datasets"][dataset]["kind"] == "templates":
        templates = {
            sweep: {name: table(f"{name}.{sweep}") for name in layout.TEMPLATE_TABLES}
            for sweep in layout.sweeps(study)
            if sweep.startswith("head.")
        }
        figures |= {name: folder / f"{name}.{ending}" for name in layout.template_figures(study)}
    return Section(
        dataset=dataset,
        model=model,
        wording=wording,
        kind=config["datasets"][dataset]["kind"],
        contrast=contrast_of(config["datasets"], dataset)["kind"],
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
        maps={
            sweep: with_study_tests(table(f"map.{sweep}"), tests) for sweep in layout.sweeps(study)
        },
        figures=figures,
        planted=planted,
        templates=templates,
        donors={sweep: table(f"donor_map.{sweep}") for sweep in layout.sweeps(study)},
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
                table("minimality"),
            )
            if "ablation" in study["confirm"]
            else None
        ),
        family=family,
        spread={sweep: table(f"spread.{sweep}") for sweep in layout.sweeps(study)},
        certificate=table("certificate"),
    )
