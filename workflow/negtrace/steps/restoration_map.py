"""Average one sweep by role, negation and segment."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.effects import restoration_map
from negtrace.steps.command import run
from negtrace.store import labelled, provenance, read_table, write_table

LABEL_COLUMNS = ["dataset", "model", "wording"]


def step(options: Namespace) -> None:
    values = read_table(options.sweep).drop(columns=LABEL_COLUMNS)
    averaged = restoration_map(values, read_table(options.segments))
    made = provenance(
        "restoration_map",
        inputs={"sweep": options.sweep, "segments": options.segments},
    )
    write_table(labelled(averaged, vars(options)), options.map, "restoration_map", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "dataset": str,
            "model": str,
            "wording": str,
            "sweep": Path,
            "segments": Path,
            "map": Path,
        },
    )
