"""Encode every image of a dataset that is at hand."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pandas as pd

from negtrace.image_embeddings import encode_images
from negtrace.images import available, check_unchanged
from negtrace.openclip import ModelSpec, load
from negtrace.progress import track
from negtrace.steps.command import run
from negtrace.steps.compute import device_of
from negtrace.steps.options import tables_of
from negtrace.store import labelled, provenance, write_table
from negtrace.weights import read_weights


def step(options: Namespace) -> None:
    device = device_of(options)
    tables = tables_of(options, ["image_files"])
    names = available(tables["image_files"])
    check_unchanged(options.images, tables["image_files"])
    files = [options.images / name for name in names]
    weights = read_weights(options.weights)
    loaded = load(ModelSpec(**json.loads(options.spec)), weights.checkpoint, weights.tokenizer)
    embeddings = encode_images(
        loaded,
        files,
        options.batch,
        device,
        lambda batches: track(batches, desc="images", unit="batch"),
    )
    frame = pd.DataFrame({"image_file": names, "embedding": list(embeddings)})
    made = provenance(
        "images",
        tables=tables.sources,
        model=loaded.identity,
    )
    write_table(labelled(frame, vars(options)), options.embeddings, "images", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "dataset": str,
            "model": str,
            "spec": str,
            "images": Path,
            "image_files": Path,
            "weights": Path,
            "batch": int,
            "device": str,
            "threads": int,
            "embeddings": Path,
        },
    )
