"""The effect of the negation beyond that of a neutral word swap, on the same items."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.effect_sizes import Options
from negtrace.specificity import specific_effects
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table

TABLES = ("sweep", "scores", "segments")
NEUTRAL = ("neutral_sweep", "neutral_scores")


def step(options: Namespace) -> None:
    statistics = json.loads(options.statistics)
    tables = tables_of(options, TABLES)
    neutral = tables_of(options, NEUTRAL, dataset=f"{options.dataset}-neutral")
    found = specific_effects(
        tables["sweep"],
        tables["scores"],
        *neutral.values(),
        tables["segments"],
        Options(**statistics),
    )
    made = provenance(
        "specificity",
        tables=tables.sources | neutral.sources,
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
            **dict.fromkeys((*TABLES, *NEUTRAL), Path),
            "statistics": str,
            "specificity": Path,
        },
    )
