"""Correlate the selectivity of every head with d."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.features import selectivity_correlation
from negtrace.steps.command import run
from negtrace.store import labelled, provenance, read_table, write_table

TABLES = ("selectivity", "segments")


def step(options: Namespace) -> None:
    found = selectivity_correlation(*(read_table(getattr(options, name)) for name in TABLES))
    made = provenance(
        "selectivity_correlation", inputs={name: getattr(options, name) for name in TABLES}
    )
    table = labelled(found, vars(options))
    write_table(table, options.correlations, "selectivity_correlation", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "dataset": str,
            "model": str,
            "wording": str,
            **dict.fromkeys(TABLES, Path),
            "correlations": Path,
        },
    )
