"""Compare a model's outputs with those that others have published of it."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import torch

from negtrace.replication.weights_identity import identity_check, read_golden
from negtrace.models.openclip import ModelSpec, load
from negtrace.replication.published import OUTPUTS
from negtrace.steps.command import run
from negtrace.tables.store import labelled, provenance, write_table
from negtrace.models.tower import full_precision
from negtrace.models.weights import read_weights


def step(options: Namespace) -> None:
    torch.set_num_threads(options.threads)
    full_precision()
    weights = read_weights(options.weights)
    loaded = load(ModelSpec(**json.loads(options.spec)), weights.checkpoint, weights.tokenizer)
    files = json.loads(options.pictures.read_text())["files"]
    pictures = {name: Path(file) for name, file in files.items()}
    found = identity_check(loaded, read_golden(OUTPUTS), pictures)
    made = provenance("identity", inputs=pictures, model=loaded.identity)
    write_table(labelled(found, vars(options)), options.identity, "identity", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "model": str,
            "spec": str,
            "weights": Path,
            "pictures": Path,
            "threads": int,
            "identity": Path,
        },
    )
