"""How time grows with pairs, layers and width, and peak memory with pairs.

Peak memory is that of a fresh process (`python growth.py PAIRS THREADS`), because the high-water
mark of a process never falls.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from subject import Subject, complete, random_tower

from negtrace.models.alignment import Tokenizer, align
from negtrace.models.tower_shape import TowerShape

SHAPE = TowerShape(
    width=512,
    heads=8,
    layers=12,
    mlp_width=2048,
    context_length=77,
    vocab_size=2000,
    embed_dim=512,
    activation="quick_gelu",
)
MEMORY_GB = 0.25  # a budget well below what all pairs would take at once
SOT, EOT, NO, SOME = 1998, 1999, 1996, 1997


def synthetic_subject(shape: TowerShape, pairs: int, seed: int = 0, words: int = 5) -> Subject:
    """Any number of distinct pairs of 10 tokens, "SOT a b no|some w w w w w EOT", one item each."""
    rng = np.random.default_rng(seed)
    items = []
    for number in range(pairs):
        subject = rng.integers(1, NO, words).tolist()
        negated, affirmative = (
            " ".join(map(str, [SOT, 1, 2, word, *subject, EOT])) for word in (NO, SOME)
        )
        items.append(
            {
                "item_id": f"item{number}",
                "pair_id": f"pair{number}",
                "image_file": f"{number}.png",
                "negation": ("caption", "foil")[number % 2],
                "negated": negated,
                "affirmative": affirmative,
            }
        )
    candidates = pd.DataFrame(items)
    tokenizer = Tokenizer(lambda text: [int(token) for token in text.split()], str, 1, 0)
    alignment = align(candidates, tokenizer, shape)
    tower = random_tower(shape, seed)
    # The unpatched runs must not hide the sweep's own peak.
    return complete(tower, None, alignment, candidates, seed, "synthetic", memory_gb=0.02)


def sweep_seconds(shape: TowerShape, pairs: int) -> float:
    """Time of one `resid` sweep."""
    subject = synthetic_subject(shape, pairs)
    began = time.perf_counter()
    subject.sweep("resid", memory_gb=MEMORY_GB)
    return time.perf_counter() - began


def peak_memory_mb(pairs: int, threads: int) -> dict[str, float]:
    """Peak resident memory of a fresh process that sweeps this many pairs [MiB]."""
    command = [sys.executable, str(Path(__file__).resolve()), str(pairs), str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def high_water_mib() -> float:
    """Peak resident memory of this process so far [MiB]."""
    try:
        # Linux hands getrusage's mark down from the parent through exec; this one starts anew.
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 2**10
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def settings(quick: bool) -> dict[str, Sequence[int]]:
    """Values of each quantity that is varied alone."""
    if quick:
        return {"pairs": (4, 8, 16), "layers": (3, 6, 12), "width": (128, 256, 512)}
    return {
        "pairs": (8, 16, 32, 64, 128, 256),
        "layers": (3, 6, 12, 24),
        "width": (128, 256, 512, 768, 1024),
    }


def growth(repeats: int, threads: int, quick: bool, progress: Any) -> Iterator[dict[str, Any]]:
    """Rows of the tidy table."""
    varied = settings(quick)
    pairs = 8 if quick else 32
    for repeat in range(repeats):
        for parameter, values in varied.items():
            for value in values:
                progress.set_description(f"growth {parameter} {value}")
                shape, count = SHAPE, pairs
                if parameter == "pairs":
                    count = value
                elif parameter == "layers":
                    shape = replace(SHAPE, layers=value)
                else:
                    heads, mlp = max(1, value // 64), 4 * value
                    shape = replace(SHAPE, width=value, heads=heads, mlp_width=mlp)
                yield {
                    "section": "growth",
                    "method": "engine",
                    "site": "resid",
                    "parameter": parameter,
                    "parameter_value": value,
                    "repeat": repeat,
                    "quantity": "sweep time",
                    "value": sweep_seconds(shape, count),
                    "unit": "s",
                }
                progress.update()
    for count in memory_pairs(quick):
        progress.set_description(f"memory {count} pairs")
        for quantity, value in peak_memory_mb(count, threads).items():
            yield {
                "section": "memory",
                "method": "engine",
                "site": "resid",
                "parameter": "pairs",
                "parameter_value": count,
                "quantity": quantity,
                "value": value,
                "unit": "MiB",
                "note": f"memory_gb={MEMORY_GB}",
            }
        progress.update()


def memory_pairs(quick: bool) -> Sequence[int]:
    return (16, 64, 128) if quick else (16, 64, 128, 256, 512, 1024)


def _main(pairs: int, threads: int) -> None:
    torch.set_num_threads(threads)
    subject = synthetic_subject(replace(SHAPE, layers=6), pairs)
    before = high_water_mib()
    subject.sweep("resid", memory_gb=MEMORY_GB)
    peak = high_water_mib()
    print(json.dumps({"peak memory": peak, "peak memory before the sweep": before}))


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
