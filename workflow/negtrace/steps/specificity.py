"""The effect of the negation beside that of a placebo, a neutral word swap, on the same items."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.effect_sizes import Options
from negtrace.placebo import placebo_map
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN, paths_of, tables_of
from negtrace.store import labelled, provenance, write_table

TABLES = ("sweep", "scores", "neutral_sweep", "neutral_scores", "segments")


def step(options: Namespace) -> None:
    statistics = json.loads(options.statistics)
    tables = tables_of(options, TABLES)
    found = placebo_map(*tables.values(), Options(**statistics))
    made = provenance(
        "specificity",
        inputs=paths_of(options, TABLES),
        params=statistics,
        seed=statistics["seed"],
    )
    write_table(labelled(found, vars(options)), options.specificity, "specificity", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            **dict.fromkeys(TABLES, Path),
            "statistics": str,
            "specificity": Path,
        },
    )
