"""How far another sample of pairs would rank the cells of a map alike."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.effect_sizes import Options
from negtrace.stability import overlap, ranks, split_halves
from negtrace.steps.command import run
from negtrace.store import LABELS, labelled, provenance, read_table, write_table

TABLES = ("sweep", "scores", "segments")


def step(options: Namespace) -> None:
    statistics = json.loads(options.statistics)
    settings = Options(**statistics)
    tables = [read_table(getattr(options, name)).drop(columns=list(LABELS)) for name in TABLES]
    made = provenance(
        "stability",
        inputs={name: getattr(options, name) for name in TABLES},
        params=statistics,
        seed=statistics["seed"],
    )
    labels = vars(options)
    ranked = labelled(ranks(*tables, options=settings), labels)
    write_table(ranked, options.ranks, "ranks", made)
    alike = labelled(overlap(*tables, options=settings), labels)
    write_table(alike, options.overlap, "overlap", made)
    halves = labelled(split_halves(*tables, options=settings), labels)
    write_table(halves, options.halves, "split_halves", made)


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
            "ranks": Path,
            "overlap": Path,
            "halves": Path,
        },
    )
