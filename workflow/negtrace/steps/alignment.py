"""Tokenise and align both sentences of every pair; leave out what the model cannot read."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.errors import InputError
from negtrace.openclip import tokenizer_of
from negtrace.reading import read_candidates
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
    candidates, frame, excluded = read_candidates(tables["candidates"], tokenizer, shape)
    if candidates.empty:
        raise InputError(
            f"{options.candidates}: the model can read none of its pairs; first reason: "
            f"{excluded['reason'].iloc[0]}"
        )
    made = provenance(
        "alignment",
        tables=tables.sources,
        model=description["identity"],
    )
    write_table(excluded, options.excluded, "excluded", made)
    write_table(candidates, options.readable, "candidates", made)
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
            "readable": Path,
            "excluded": Path,
        },
    )
