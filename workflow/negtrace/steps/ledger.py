"""Set published numbers beside those of one dataset and model."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace import derived, layout
from negtrace.figure_style import note, save
from negtrace.ledger import comparability, ledger, read_published, summary
from negtrace.ledger_figure import ledger_figure
from negtrace.lineage import read_tables
from negtrace.published import PAPER
from negtrace.steps.command import run
from negtrace.store import labelled, provenance, read_table, write_table


def step(options: Namespace) -> None:
    results = options.results / options.dataset
    labels = {"dataset": options.dataset, "model": options.model}
    ours, sources = {}, {}
    for wording in options.wordings:
        paths = {
            name: (
                results / f"{name}.{wording}.parquet"
                if name in layout.DATASET_TABLES
                else results / options.model / wording / f"{name}.parquet"
            )
            for name in options.tables
        }
        tables = read_tables(paths, labels | {"wording": wording})
        for name, table in tables.items():
            ours[wording, name.replace("map.resid.negate", "restoration_map")] = table
            sources[f"{wording}/{name}"] = tables.sources[name]
    published = read_published(PAPER)
    identity = json.loads(options.description.read_text())["identity"]
    items = read_tables({"items": results / "items.parquet"}).sources["items"]
    source = items.provenance["inputs"].get("annotations")
    obstacle = comparability(published, identity, source, other_items(options.kind, results))
    found = ledger(published, ours, obstacle)
    made = provenance(
        "ledger",
        tables=sources,
        params={"published": published.source},
        model=identity,
    )
    write_table(labelled(summary(found), labels), options.summary, "ledger_summary", made)
    write_table(labelled(found, labels), options.ledger, "ledger", made)
    settings = json.loads(options.settings)
    drawn = note(f"not comparable: {obstacle}") if obstacle else ledger_figure(found, settings)
    save(drawn, options.figure, settings["formats"], settings["dpi"])


def other_items(kind: str, results: Path) -> str | None:
    """Why a run's items are not the published ones, whatever its annotations, or None."""
    if kind in derived.KINDS:
        return f"another dataset: a negative control ({kind})"
    origins = set(read_table(results / "image_files.parquet")["origin"].dropna())
    return "other images: they are stand-ins" if origins & {"generated", "scenes"} else None


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "dataset": str,
            "model": str,
            "wordings": (str,),
            "tables": (str,),
            "results": Path,
            "description": Path,
            "settings": str,
            "kind": str,
            "ledger": Path,
            "summary": Path,
            "figure": Path,
        },
    )
