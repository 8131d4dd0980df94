"""Classify items by d and count them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.effects import accuracy, segments
from negtrace.errors import InputError
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table


def step(options: Namespace) -> None:
    thresholds = {
        "incorrect_below": options.incorrect_below,
        "correct_from": options.correct_from,
    }
    tables = tables_of(options, ["scores", "pairs"])
    classified = segments(tables["scores"], tables["pairs"], thresholds)
    if classified.empty:
        raise InputError(
            f"{options.pairs}: the model can read none of its items; see excluded.parquet beside "
            f"{options.scores}"
        )
    made = provenance(
        "segments",
        tables=tables.sources,
        params=thresholds,
    )
    write_table(labelled(classified, vars(options)), options.segments, "segments", made)
    write_table(labelled(accuracy(classified), vars(options)), options.accuracy, "accuracy", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            "scores": Path,
            "pairs": Path,
            "incorrect_below": float,
            "correct_from": float,
            "segments": Path,
            "accuracy": Path,
        },
    )
