"""Average direct contributions over items."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.effects import contribution_map
from negtrace.steps.command import run
from negtrace.store import LABELS, labelled, provenance, read_table, write_table

TABLES = ("contributions", "segments")


def step(options: Namespace) -> None:
    tables = (read_table(getattr(options, name)).drop(columns=list(LABELS)) for name in TABLES)
    found = contribution_map(*tables)
    made = provenance("contribution_map", inputs={name: getattr(options, name) for name in TABLES})
    write_table(labelled(found, vars(options)), options.map, "contribution_map", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "dataset": str,
            "model": str,
            "wording": str,
            **dict.fromkeys(TABLES, Path),
            "map": Path,
        },
    )
