"""The effect of the negation beyond that of a neutral word swap, on the same items."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.effect_sizes import Options
from negtrace.specificity import specific_effects
from negtrace.steps.command import run
from negtrace.store import LABELS, labelled, provenance, read_table, write_table

TABLES = ("sweep", "scores", "neutral_sweep", "neutral_scores", "segments")


def step(options: Namespace) -> None:
    statistics = json.loads(options.statistics)
    tables = (read_table(getattr(options, name)).drop(columns=list(LABELS)) for name in TABLES)
    found = specific_effects(*tables, Options(**statistics))
    made = provenance(
        "specificity",
        inputs={name: getattr(options, name) for name in TABLES},
        params=statistics,
        seed=statistics["seed"],
    )
    write_table(labelled(found, vars(options)), options.specificity, "specificity", made)


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
            "specificity": Path,
        },
    )
