"""Tokenise both sentences of every pair and align them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.alignment import align
from negtrace.openclip import tokenizer_of
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table
from negtrace.tower import TowerShape, read_description
from negtrace.weights import read_weights


def step(options: Namespace) -> None:
    description = read_description(options.tower)
    shape = TowerShape.from_json(description["shape"])
    tokenizer = tokenizer_of(options.architecture, read_weights(options.weights).tokenizer)
    tables = tables_of(options, ["candidates"])
    frame = align(tables["candidates"], tokenizer, shape)
    made = provenance(
        "alignment",
        tables=tables.sources,
        model=description["identity"],
    )
    write_table(labelled(frame, vars(options)), options.alignment, "alignment", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            "architecture": str,
            "candidates": Path,
            "tower": Path,
            "weights": Path,
            "alignment": Path,
        },
    )
