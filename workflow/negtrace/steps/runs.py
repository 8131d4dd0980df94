"""Unpatched runs: embeddings of all sentences, scores of all items."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import torch

from negtrace.runs import pictured, scores, sentence_embeddings
from negtrace.steps.command import run
from negtrace.store import labelled, provenance, read_table, write_table
from negtrace.tower import available_device, full_precision, load_tower


def step(options: Namespace) -> None:
    torch.set_num_threads(options.threads)
    full_precision()
    tower = load_tower(options.tower, options.dtype, available_device(options.device))
    sentences = sentence_embeddings(tower, read_table(options.alignment), options.memory_mb / 1024)
    images = read_table(options.images)
    candidates = pictured(read_table(options.candidates), images)
    scored = scores(candidates, sentences, images, tower.identity["logit_scale"])
    made = provenance(
        "runs",
        inputs={name: getattr(options, name) for name in ("alignment", "candidates", "images")},
        params={"dtype": options.dtype, "device": str(tower.device)},
        model=tower.identity,
    )
    write_table(labelled(sentences, vars(options)), options.sentences, "sentences", made)
    write_table(labelled(scored, vars(options)), options.scores, "scores", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "dataset": str,
            "model": str,
            "wording": str,
            "tower": Path,
            "alignment": Path,
            "candidates": Path,
            "images": Path,
            "dtype": str,
            "device": str,
            "memory_mb": int,
            "threads": int,
            "sentences": Path,
            "scores": Path,
        },
    )
