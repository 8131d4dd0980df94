"""Assembly of the report: what of a study's results each part of the page shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from negtrace.replication.published import is_published
from negtrace.report import explorer
from negtrace.report.atlas import Atlas
from negtrace.report.blocks import packed
from negtrace.report.comparison import parents
from negtrace.report.of_model import Choices, Comparison
from negtrace.report.page import Page, render
from negtrace.report.run_facts import of_run, seconds_of
from negtrace.report.section import Section, anchor_of
from negtrace.report.thumbnails import LARGE, thumbnails
from negtrace.report.verdict import example
from negtrace.statistics.accuracy import with_intervals
from negtrace.statistics.credible import NOTABLE, named, with_study_tests
from negtrace.statistics.effect_sizes import Options
from negtrace.study import layout, places
from negtrace.study.contrasts import contrast_of
from negtrace.study.control_entries import without_controls
from negtrace.tables.lineage import read_tables
from negtrace.tables.store import read_provenance, read_table, table_schema


def report_of(config_file: Path, results: Path, alpha: float, folders: Mapping[str, str]) -> Page:
    """The report of a study.

    Args:
        config_file: the merged configuration as YAML.
        results: folder of the results, all of the study's there.
        alpha: level of the tests.
        folders: where each dataset's pictures lie.

    Raises:
        InputError: a table is missing, damaged or of another study.
    """
    config = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    study = config["study"]
    both = list(product(study["datasets"], study["models"]))
    names = list(product(study["datasets"], study["models"], study["wordings"]))
    pictures, numbers = _pictures(results, folders)
    sections = [section(results, config, *name, alpha, folders, numbers) for name in names]
    return render(
        study["title"],
        sections,
        yaml.safe_dump(without_controls(config), sort_keys=True),
        [comparison(results, config, *name) for name in both],
        [choices_of(results, config, *name) for name in both] if "head" in study["sites"] else [],
        parents(names, config),
        pictures,
        of_run(sections),
        atlas_of(results, config, sections, alpha),
    )


def atlas_of(
    results: Path, config: dict[str, Any], sections: Sequence[Section], alpha: float
) -> Atlas | None:
    """The models of the study beside one another; None if there is one."""
    study = config["study"]
    bases = {name: entry["base"] for name, entry in config["models"].items() if "base" in entry}
    models = without_controls(config)["study"]["models"]
    found: dict[str, list[pd.DataFrame]] = {"atlas": [], "head_matches": [], "base_difference": []}
    heads = {}
    for one in sections:
        labels = {"dataset": one.dataset, "model": one.model, "wording": one.wording}
        folder = results / one.dataset / one.model / one.wording
        for name in layout.atlas_tables(study, models, bases, one.model):
            table = read_tables({name: folder / f"{name}.parquet"}, labels)[name]
            found[name].append(table)
        for sweep, table in one.maps.items() if one.model == study["models"][0] else ():
            site, direction = sweep.split(".")
            if site == "head":
                best = named(table, alpha)
                places = best.loc[best["mean"] >= NOTABLE, ["layer", "head"]].to_numpy(int)
                heads[one.dataset, one.wording, direction] = [(int(a), int(b)) for a, b in places]
    if not found["atlas"]:
        return None
    rows, matches, differences = (
        pd.concat(tables, ignore_index=True)
        if tables
        else pd.DataFrame(columns=table_schema(name).names)
        for name, tables in found.items()
    )
    return Atlas(rows, matches, heads, differences, alpha)


def _pictures(
    results: Path, folders: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Blocks of thumbnails by name, and the number of each file's by folder.

    Datasets that have their pictures in one folder share a block.
    """
    blocks, numbers = {}, {}
    for folder, first in {folder: name for name, folder in reversed(list(folders.items()))}.items():
        tables = [
            read_table(results / dataset / "image_files.parquet", "image_files")
            for dataset, own in folders.items()
            if own == folder
        ]
        names = sorted({name for t in tables for name in t["image_file"][t["reason"].isna()]})
        small = thumbnails(Path(folder), names)
        blocks[f"{anchor_of(first)}-pictures"] = packed(list(small.values()))
        numbers[folder] = {name: number for number, name in enumerate(small)}
    return blocks, numbers


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
    results: Path,
    config: dict[str, Any],
    dataset: str,
    model: str,
    wording: str,
    alpha: float,
    folders: Mapping[str, str],
    numbers: Mapping[str, Mapping[str, int]],
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
    names = layout.figures(study, config["figures"]["segment"])
    figures = {name: folder / "figures" / f"{name}.{ending}" for name in names}
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
    found = Section(
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
        accuracy=with_intervals(table("segments"), Options(level=1 - alpha)),
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
        pictures_of=anchor_of(next(n for n, own in folders.items() if own == folders[dataset])),
        seconds=seconds_of(results, dataset, model, wording),
        circuit=(
            (table("edge_map"), table("circuit"), table("circuit_minimality"))
            if "edges" in study["confirm"]
            else None
        ),
        attribution=(
            (table("attribution_trust"), table("attribution_map"))
            if "attribution" in study["confirm"]
            else None
        ),
        interventions=config["interventions"],
        contributions=table("contribution_map") if "contributions" in study["confirm"] else None,
        mending=table("mending") if "mending" in study["confirm"] else None,
        mechanism=(
            (table("mechanism"), table("head_part_map"), table("head_write_map"))
            if "mechanism" in study["confirm"]
            else None
        ),
        directions=(
            (table("direction_map"), table("direction_transfer"))
            if "direction" in study["confirm"]
            else None
        ),
    )
    return found.with_data(
        explorer.blocks_of(found, table, numbers[folders[dataset]]),
        _example(found, table, Path(folders[dataset])),
    )


def _example(
    found: Section, table: Callable[[str], pd.DataFrame], folder: Path
) -> dict[str, Any] | None:
    """An item of a section with its picture, as far as that can be read."""
    shown = example(found, table("candidates"), table("scores"))
    if shown is None:
        return None
    return shown | {"picture": thumbnails(folder, [shown["image_file"]], LARGE)}
