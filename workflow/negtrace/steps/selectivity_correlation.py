"""Correlate the selectivity of every head with d."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.features import selectivity_correlation
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN, paths_of, tables_of
from negtrace.store import labelled, provenance, write_table

TABLES = ("selectivity", "segments")


def step(options: Namespace) -> None:
    found = selectivity_correlation(*tables_of(options, TABLES).values())
    made = provenance("selectivity_correlation", inputs=paths_of(options, TABLES))
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
