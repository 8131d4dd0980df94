"""Correlate the selectivity of every head with d."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.features import selectivity_correlation
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table

TABLES = ("selectivity", "segments")


def step(options: Namespace) -> None:
    tables = tables_of(options, TABLES)
    found = selectivity_correlation(*tables.values())
    made = provenance("selectivity_correlation", tables=tables.sources)
    table = labelled(found, vars(options))
    write_table(table, options.correlations, "selectivity_correlation", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            **dict.fromkeys(TABLES, Path),
            "correlations": Path,
        },
    )
