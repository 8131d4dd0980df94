"""Tokenise and align both sentences of every pair; leave out what the model cannot read."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pandas as pd

from negtrace.errors import InputError
from negtrace.openclip import ModelSpec, load
from negtrace.reading import read_candidates
from negtrace.self_check import check_tower
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table
from negtrace.tower import load_tower
from negtrace.weights import read_weights


def step(options: Namespace) -> None:
    tower, weights = load_tower(options.tower), read_weights(options.weights)
    loaded = load(ModelSpec(**json.loads(options.spec)), weights.checkpoint, weights.tokenizer)
    tables = tables_of(options, ["candidates"])
    candidates, frame, excluded = read_candidates(
        tables["candidates"], loaded.tokenizer, tower.shape
    )
    if candidates.empty:
        raise InputError(
            f"{options.candidates}: the model can read none of its pairs; first reason: "
            f"{excluded['reason'].iloc[0]}"
        )
    sentences = pd.unique(pd.concat([candidates["negated"], candidates["affirmative"]]))
    check_tower(loaded.model, tower, loaded.tokenizer, list(sentences))
    made = provenance(
        "alignment",
        tables=tables.sources,
        model=tower.identity,
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
            "spec": str,
            "candidates": Path,
            "tower": Path,
            "weights": Path,
            "alignment": Path,
            "readable": Path,
            "excluded": Path,
        },
    )
