"""The report: published numbers beside ours, figures, the merged configuration, the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from negtrace.steps.job import (
    Entry,
    Input,
    Label,
    Made,
    ModelsByPath,
    Output,
    Place,
    Resource,
    Table,
    TablesByPath,
    step,
)


@step("ledger", "ledger_summary")
def ledger(
    tables: TablesByPath,
    source: Input,
    image_files: Table,
    description: Input,
    kind: str,
    settings: dict[str, Any],
    stem: Place,
) -> Made:
    """Set published numbers beside those of one dataset and model."""
    import json

    from negtrace.figures.ledger import ledger_figure
    from negtrace.figures.style import note, save
    from negtrace.replication import ledger as of_paper
    from negtrace.replication.ledger_summary import summary
    from negtrace.replication.publication import read_published
    from negtrace.replication.published import PAPER, TOLERANCES
    from negtrace.study.places import wording_and_table
    from negtrace.tables.store import read_provenance

    ours: dict[tuple[str | None, str], Table] = {
        wording_and_table(path): table for path, table in tables.items()
    }
    published = read_published(PAPER, TOLERANCES)
    identity = json.loads(description.read_text(encoding="utf-8"))["identity"]
    annotations = read_provenance(source)["inputs"].get("annotations")
    others = of_paper.other_items(kind, image_files)
    obstacle = of_paper.comparability(published, identity, annotations, others)
    found = of_paper.ledger(published, ours, obstacle)
    drawn = note(f"not comparable: {obstacle}") if obstacle else ledger_figure(found, settings)
    save(drawn, Path(stem), settings["formats"], settings["dpi"])
    made = {"ledger": found, "ledger_summary": summary(found)}
    return Made(made, {"published": published.source}, identity)


@step("specification")
def specification(
    maps: ModelsByPath,
    donor_maps: ModelsByPath,
    study_tests: Table,
    model: Label,
    dataset: Label,
    seeds: dict[str, int],
    settings: dict[str, Any],
    stem: Place,
) -> Made:
    """Rank the heads that findings name in every way of analysing one dataset and model."""
    import pandas as pd

    from negtrace.figures.specification import specification_figure
    from negtrace.figures.style import save
    from negtrace.statistics.credible import with_study_tests
    from negtrace.statistics.specification import (
        ANOTHER_PAIR,
        OWN_PAIR,
        by_another_pair,
        named_heads,
        specification_curve,
    )

    tests = study_tests[study_tests["dataset"] == dataset]
    every, own = [], []
    of_donors = {path: by_another_pair(table) for path, table in donor_maps.items()}
    for donor, tables in ((OWN_PAIR, maps), (ANOTHER_PAIR, of_donors)):
        for path, table in tables.items():
            wording, of_model = path.parent.name, path.parents[1].name
            every.append(table.assign(wording=wording, seed=seeds[of_model], donor=donor))
            if donor == OWN_PAIR and of_model == model:
                own.append(with_study_tests(table, tests[tests["wording"] == wording]))
    heads = named_heads(own, settings["alpha"])
    curve = specification_curve(pd.concat(every, ignore_index=True), heads)
    save(specification_figure(curve, settings), Path(stem), settings["formats"], settings["dpi"])
    return Made({"specification": curve})


@step()
def figures(
    segments: Table,
    selectivity_map: Table,
    attention_map: Table,
    selectivity_correlation: Table,
    features: Table,
    accuracy_above_area: Table,
    maps: TablesByPath,
    donor_maps: TablesByPath,
    confirmation: TablesByPath,
    donors: list[str],
    settings: dict[str, Any],
    contrast: str,
    folder: Place,
    threads: Resource,
) -> None:
    """Draw the figures of one dataset, model and wording."""
    from negtrace.figures.of_run import figures_of_run
    from negtrace.figures.written import write_figures

    tables = {
        "segments": segments,
        "selectivity_map": selectivity_map,
        "attention_map": attention_map,
        "selectivity_correlation": selectivity_correlation,
        "features": features,
        "accuracy_above_area": accuracy_above_area,
        **{path.stem: table for path, table in confirmation.items()},
    }
    sweeps, compared = (
        {path.stem.partition(".")[2]: table for path, table in given.items()}
        for given in (maps, donor_maps)
    )
    drawings = figures_of_run(tables, sweeps, compared, donors, settings)
    write_figures(drawings, contrast, Path(folder), settings["formats"], settings["dpi"], threads)


@step()
def merged_config(config: dict[str, Any], merged_config: Output) -> None:
    """Write the configuration that a study ran with, all files merged."""
    import yaml

    from negtrace.tables.store import write_text

    write_text(yaml.safe_dump(config, sort_keys=True), merged_config)


@step()
def report(
    config: Input, study: Entry, alpha: float, folders: Entry, report: Output, comparison: Output
) -> None:
    """Gather the tables and figures of a study into one HTML file; a large one has data beside."""
    import shutil

    import yaml

    from negtrace.errors import InputError
    from negtrace.report.assembly import report_of
    from negtrace.report.page import BESIDE
    from negtrace.tables.store import write_text

    # Of results that were copied without .snakemake, Snakemake does not know what made them.
    if yaml.safe_load(config.read_text(encoding="utf-8"))["study"] != study:
        raise InputError(f"{config}: this is another study's: delete it and run again")
    page = report_of(config, config.parent, alpha, folders)
    shutil.rmtree(report.with_name(BESIDE), ignore_errors=True)
    for name, text in page.beside.items():
        report.with_name(BESIDE).mkdir(exist_ok=True)
        write_text(text, report.with_name(BESIDE) / Path(name).name)
    write_text(page.comparison, comparison)
    write_text(page.html, report)


@step()
def verify() -> None:
    """Hash every result again and name those that are corrupt or stale."""
    from negtrace.errors import InputError
    from negtrace.study.places import RESULTS
    from negtrace.verification import findings

    found = 0
    for finding in findings(Path(RESULTS)):
        found += 1
        print(finding, flush=True)
    if found:
        raise InputError(f"{RESULTS}: {found} findings, one a line above")
    print(f"{RESULTS}: every result is whole and made from what is there")
