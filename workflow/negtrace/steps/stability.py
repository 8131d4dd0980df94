"""How far another sample of pairs would rank the cells of a map alike."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.effect_sizes import Options
from negtrace.stability import overlap, ranks, split_halves
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table

TABLES = ("sweep", "scores", "segments")


def step(options: Namespace) -> None:
    statistics = json.loads(options.statistics)
    settings = Options(**statistics)
    tables = tables_of(options, TABLES)
    made = provenance(
        "stability",
        tables=tables.sources,
        params=statistics,
        seed=statistics["seed"],
    )
    labels = vars(options)
    ranked = labelled(ranks(*tables.values(), options=settings), labels)
    write_table(ranked, options.ranks, "ranks", made)
    alike = labelled(overlap(*tables.values(), options=settings), labels)
    write_table(alike, options.overlap, "overlap", made)
    halves = labelled(split_halves(*tables.values(), options=settings), labels)
    write_table(halves, options.halves, "split_halves", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            **dict.fromkeys(TABLES, Path),
            "statistics": str,
            "ranks": Path,
            "overlap": Path,
            "halves": Path,
        },
    )
