"""Derive the candidates of a negative control from those of a dataset."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pandas as pd

from negtrace.controls import neutral_swap, shuffled
from negtrace.errors import InputError
from negtrace.steps.command import run
from negtrace.store import provenance, read_table, write_table

TABLES = ("candidates", "rejected", "image_files")


def step(options: Namespace) -> None:
    candidates, rejected, files = (read_table(getattr(options, f"of_{name}")) for name in TABLES)
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
        inputs={name: getattr(options, f"of_{name}") for name in TABLES},
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
            **{f"of_{name}": Path for name in TABLES},
            "candidates": Path,
            "rejected": Path,
        },
    )
