"""Fetch what a model is made of: checkpoint and tokenizer."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from negtrace.model_specs import ModelSpec
from negtrace.steps import downloads
from negtrace.steps.command import run
from negtrace.store import write_json
from negtrace.weights_download import fetch_weights


def step(options: Namespace) -> None:
    spec = ModelSpec(**json.loads(options.spec))
    found = fetch_weights(spec, options.weights.parent, downloads.downloads(options))
    write_json(asdict(found), options.weights)


if __name__ == "__main__":
    run(step, __doc__, {"spec": str, "weights": Path, **downloads.OPTIONS})
