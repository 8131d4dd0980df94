"""Effect sizes of one sweep by role, negation and segment, with intervals and tests."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.effect_sizes import Options, effect_map
from negtrace.steps.command import run
from negtrace.store import LABELS, labelled, provenance, read_table, write_table

TABLES = ("sweep", "scores", "segments")


def step(options: Namespace) -> None:
    statistics = json.loads(options.statistics)
    tables = (read_table(getattr(options, name)).drop(columns=list(LABELS)) for name in TABLES)
    found = effect_map(*tables, Options(**statistics))
    made = provenance(
        "restoration_map",
        inputs={name: getattr(options, name) for name in TABLES},
        params=statistics,
        seed=statistics["seed"],
    )
    write_table(labelled(found, vars(options)), options.map, "restoration_map", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "dataset": str,
            "model": str,
            "wording": str,
            **dict.fromkeys(TABLES, Path),
            "statistics": str,
            "map": Path,
        },
    )
