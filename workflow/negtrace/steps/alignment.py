"""Tokenise and align both sentences of every pair; compare the tower with the model on them."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pandas as pd

from negtrace.alignment import align
from negtrace.openclip import ModelSpec, load
from negtrace.self_check import check_tower
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN
from negtrace.store import labelled, provenance, read_table, write_table
from negtrace.tower import load_tower
from negtrace.weights import read_weights


def step(options: Namespace) -> None:
    tower, weights = load_tower(options.tower), read_weights(options.weights)
    loaded = load(ModelSpec(**json.loads(options.spec)), weights.checkpoint, weights.tokenizer)
    candidates = read_table(options.candidates)
    frame = align(candidates, loaded.tokenizer, tower.shape)
    sentences = pd.unique(pd.concat([candidates["negated"], candidates["affirmative"]]))
    check_tower(loaded.model, tower, loaded.tokenizer, list(sentences))
    made = provenance(
        "alignment",
        inputs={"candidates": options.candidates},
        model=tower.identity,
    )
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
        },
    )
