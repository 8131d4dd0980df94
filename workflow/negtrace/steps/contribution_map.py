"""Average direct contributions over items."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.effects import contribution_map
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table

TABLES = ("contributions", "segments")


def step(options: Namespace) -> None:
    tables = tables_of(options, TABLES)
    found = contribution_map(*tables.values())
    made = provenance("contribution_map", tables=tables.sources)
    write_table(labelled(found, vars(options)), options.map, "contribution_map", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            **dict.fromkeys(TABLES, Path),
            "map": Path,
        },
    )
