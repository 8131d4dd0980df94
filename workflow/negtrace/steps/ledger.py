"""Set published numbers beside those of one dataset and model."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace import derived, layout
from negtrace.figure_style import note, save
from negtrace.ledger import comparability, ledger
from negtrace.ledger_figure import ledger_figure
from negtrace.ledger_summary import summary
from negtrace.publication import read_published
from negtrace.published import PAPER, TOLERANCES
from negtrace.steps.command import run
from negtrace.store import labelled, provenance, read_provenance, read_table, write_table


def step(options: Namespace) -> None:
    results = options.results / options.dataset
    paths = {
        (wording, name): (
            results / f"{name}.{wording}.parquet"
            if name in layout.DATASET_TABLES
            else results / options.model / wording / f"{name}.parquet"
        )
        for wording in options.wordings
        for name in options.tables
    }
    ours = {
        (wording, name.replace("map.resid.negate", "restoration_map")): read_table(path)
        for (wording, name), path in paths.items()
    }
    published = read_published(PAPER, TOLERANCES)
    identity = json.loads(options.description.read_text())["identity"]
    source = read_provenance(results / "items.parquet")["inputs"].get("annotations")
    obstacle = comparability(published, identity, source, other_items(options.kind, results))
    found = ledger(published, ours, obstacle)
    made = provenance(
        "ledger",
        inputs={f"{wording}/{name}": path for (wording, name), path in paths.items()},
        params={"published": published.source},
        model=identity,
    )
    labels = {"dataset": options.dataset, "model": options.model}
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
