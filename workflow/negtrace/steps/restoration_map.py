"""Effect sizes of one sweep by role, negation and segment, with intervals and tests."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.effect_sizes import Options, effect_map
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table

TABLES = ("sweep", "scores", "segments")


def step(options: Namespace) -> None:
    statistics = json.loads(options.statistics)
    tables = tables_of(options, TABLES)
    found = effect_map(*tables.values(), Options(**statistics))
    made = provenance(
        "restoration_map",
        tables=tables.sources,
        params=statistics,
        seed=statistics["seed"],
    )
    write_table(labelled(found, vars(options)), options.map, "restoration_map", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            **dict.fromkeys(TABLES, Path),
            "statistics": str,
            "map": Path,
        },
    )
