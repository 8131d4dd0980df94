"""Apply the annotator filter to the candidates, and leave out those without an image."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.errors import InputError
from negtrace.pairs import select
from negtrace.steps.command import run
from negtrace.steps.options import tables_of
from negtrace.store import provenance, write_table

TABLES = ("candidates", "rejected", "image_files")


def step(options: Namespace) -> None:
    tables = tables_of(options, TABLES)
    candidates, rejected, files = tables.values()
    missing = files.dropna(subset="reason").set_index("image_file")["reason"].to_dict()
    pairs, excluded = select(candidates, rejected, options.min_votes, missing)
    if pairs.empty:
        raise InputError(
            f"{options.candidates}: no item has an image and {options.min_votes} votes for its "
            f"caption; first reason: {excluded['reason'].iloc[-1]}"
        )
    made = provenance(
        "pairs",
        tables=tables.sources,
        params={"min_votes": options.min_votes},
    )
    write_table(excluded, options.excluded, "excluded", made)
    write_table(pairs, options.pairs, "candidates", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {**dict.fromkeys(TABLES, Path), "min_votes": int, "pairs": Path, "excluded": Path},
    )
