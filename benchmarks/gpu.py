"""The study on a CUDA GPU, where there is one; where there is none, what stays unmeasured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from compare import compare, engine_rows, rate_rows, row, run_engine
from matmul_rate import matmul_rates
from peers import TransformerLens, TransformerLensBatched
from subject import Subject, make_subject, random_tower, with_tables

from negtrace.models.device import full_precision
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.sites import SITES as ENGINE_SITES

BIG_G = TowerShape(
    width=1280,
    heads=20,
    layers=32,
    mlp_width=5120,
    context_length=77,
    vocab_size=49408,
    embed_dim=1280,
    activation="gelu",
)
UNMEASURED = (
    "the whole study of ViT-B/32, all sites, both directions",
    "ViT-bigG-14's text tower, resid and head",
    "TransformerLens on the GPU",
    "share of the GPU's float32 matrix-product rate",
)


def whole_study(subject: Subject, memory_gb: float, repeat: int, progress: Any) -> Iterator[dict]:
    """Every site in both directions, one after the other."""
    total = 0.0
    for site in ENGINE_SITES:
        for direction in ("negate", "affirm"):
            progress.set_description(f"GPU study {site} {direction}")
            torch.cuda.synchronize()
            began = torch.cuda.Event(enable_timing=True)
            ended = torch.cuda.Event(enable_timing=True)
            began.record()
            subject.sweep(site, direction, memory_gb)
            ended.record()
            torch.cuda.synchronize()
            seconds = began.elapsed_time(ended) / 1000
            total += seconds
            keys = {"method": "engine", "site": site, "repeat": repeat, "note": direction}
            yield row("gpu ViT-B-32", "sweep time", seconds, "s", **keys)
            progress.update()
    keys = {"method": "engine", "site": "all", "repeat": repeat}
    yield row("gpu ViT-B-32", "study time, both directions", total, "s", **keys)


def gpu_rows(
    repeats: int, seed: int, items: int, memory_gb: float, progress: Any
) -> Iterator[dict]:
    """Rows of the tidy table; one row per unmeasured quantity where there is no GPU."""
    if not torch.cuda.is_available():
        for quantity in UNMEASURED:
            note = f"{quantity}: no CUDA device here"
            yield row("gpu", "unmeasured", np.nan, "", method="engine", note=note)
        return
    full_precision()
    small = make_subject(seed, "cuda")
    small.sweep("resid", memory_gb=memory_gb)  # the first sweep pays for the device's start
    for repeat in range(repeats):
        yield from whole_study(small, memory_gb, repeat, progress)
    peers = (TransformerLens, TransformerLensBatched)
    section = "gpu ViT-B-32"
    yield from compare(small, peers, repeats, seed, items, memory_gb, progress, section)
    del small
    big = with_tables(random_tower(BIG_G, seed, "cuda"), None, seed)
    section = "gpu ViT-bigG-14"
    for repeat in range(repeats):
        rates = matmul_rates(BIG_G, "cuda")
        yield from rate_rows(rates, section, repeat=repeat)
        for site in ("resid", "head"):
            progress.set_description(f"GPU bigG {site}")
            swept = run_engine(big, site, memory_gb)
            yield from engine_rows(big, site, swept, rates, section, repeat)
            progress.update()
