"""Apply the annotator filter to the candidates."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.errors import InputError
from negtrace.pairs import select
from negtrace.steps.command import run
from negtrace.store import provenance, read_table, write_table


def step(options: Namespace) -> None:
    pairs, excluded = select(
        read_table(options.candidates), read_table(options.rejected), options.min_votes
    )
    if pairs.empty:
        raise InputError(
            f"{options.candidates}: no item has {options.min_votes} votes for its caption; "
            "lower filter.min_votes"
        )
    made = provenance(
        "pairs",
        inputs={"candidates": options.candidates},
        params={"min_votes": options.min_votes},
    )
    write_table(excluded, options.excluded, "excluded", made)
    write_table(pairs, options.pairs, "candidates", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "candidates": Path,
            "rejected": Path,
            "min_votes": int,
            "pairs": Path,
            "excluded": Path,
        },
    )
