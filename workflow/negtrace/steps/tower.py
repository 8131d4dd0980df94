"""Load a model, compare its text tower with it, and write the tower."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.open_clip_tower import text_tower
from negtrace.openclip import ModelSpec, load
from negtrace.self_check import check_finite, check_tower
from negtrace.steps.command import run
from negtrace.tower import save_tower
from negtrace.weights import read_weights


def step(options: Namespace) -> None:
    weights = read_weights(options.weights)
    loaded = load(ModelSpec(**json.loads(options.spec)), weights.checkpoint, weights.tokenizer)
    check_finite(loaded.model)
    identity = {**loaded.identity, "file_sha256": weights.sha256}
    tower = text_tower(loaded.model, identity, loaded.tokenizer.pad_id)
    check_tower(loaded.model, tower, loaded.tokenizer)
    save_tower(tower, options.folder)


if __name__ == "__main__":
    run(step, __doc__, {"spec": str, "weights": Path, "folder": Path})
