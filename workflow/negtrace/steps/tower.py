"""Load a model and write its text tower."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.open_clip_tower import text_tower
from negtrace.openclip import ModelSpec, load
from negtrace.steps.command import run
from negtrace.tower import save_tower
from negtrace.weights import read_weights


def step(options: Namespace) -> None:
    weights = read_weights(options.weights)
    loaded = load(ModelSpec(**json.loads(options.spec)), weights.checkpoint, weights.tokenizer)
    identity = {**loaded.identity, "file_sha256": weights.sha256}
    tower = text_tower(loaded.model, identity, loaded.tokenizer.pad_id)
    save_tower(tower, options.folder)


if __name__ == "__main__":
    run(step, __doc__, {"spec": str, "weights": Path, "folder": Path})
