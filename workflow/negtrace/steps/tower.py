"""Load a model (downloading it if need be) and write its text tower."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.openclip import ModelSpec, load, text_tower
from negtrace.steps.command import run
from negtrace.tower import save_tower


def step(options: Namespace) -> None:
    loaded = load(ModelSpec(**json.loads(options.spec)))
    tower = text_tower(loaded.model, loaded.identity, loaded.tokenizer.pad_id)
    save_tower(tower, options.folder)


if __name__ == "__main__":
    run(step, __doc__, {"spec": str, "folder": Path})
