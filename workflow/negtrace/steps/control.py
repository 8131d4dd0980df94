"""Derive the candidates of a negative control from those of a dataset."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pandas as pd

from negtrace.controls import neutral_swap, shuffled
from negtrace.errors import InputError
from negtrace.steps.command import run
from negtrace.steps.options import tables_of
from negtrace.store import provenance, write_table

TABLES = ("of_candidates", "of_rejected", "of_image_files")


def step(options: Namespace) -> None:
    tables = tables_of(options, TABLES)
    candidates, rejected, files = tables.values()
    if options.kind == "neutral":
        candidates, without = neutral_swap(candidates)
        rejected = pd.concat([rejected, without], ignore_index=True)
    else:
        candidates = shuffled(candidates, files, options.seed)
    if candidates.empty:
        raise InputError(
            f"{options.of_candidates}: no item can be made neutral; leave the control out"
        )
    made = provenance(
        "control",
        tables=tables.sources,
        params={"kind": options.kind},
        seed=options.seed,
    )
    write_table(rejected, options.rejected, "excluded", made)
    write_table(candidates, options.candidates, "candidates", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "kind": str,
            "seed": int,
            **dict.fromkeys(TABLES, Path),
            "candidates": Path,
            "rejected": Path,
        },
    )
