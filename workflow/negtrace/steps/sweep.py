"""Sweep one site in one direction: restoration of every cell for every item."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import torch

from negtrace.progress import bar
from negtrace.restoration import sweep
from negtrace.steps.command import run
from negtrace.store import labelled, provenance, read_table, write_table
from negtrace.tower import available_device, load_tower

TABLES = ("alignment", "candidates", "images", "scores")


def step(options: Namespace) -> None:
    torch.set_num_threads(options.threads)
    tower = load_tower(options.tower, options.dtype, available_device(options.device))
    frame = sweep(
        tower,
        *(read_table(getattr(options, name)) for name in TABLES),
        options.site,
        options.direction,
        tower.identity["logit_scale"],
        options.memory_mb / 1024,
        bar,
    )
    made = provenance(
        "sweep",
        inputs={name: getattr(options, name) for name in TABLES},
        params={
            "site": options.site,
            "direction": options.direction,
            "dtype": options.dtype,
            "device": str(tower.device),
        },
        model=tower.identity,
    )
    write_table(labelled(frame, vars(options)), options.sweep, "sweep", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "dataset": str,
            "model": str,
            "wording": str,
            "site": str,
            "direction": str,
            "tower": Path,
            **dict.fromkeys(TABLES, Path),
            "dtype": str,
            "device": str,
            "memory_mb": int,
            "threads": int,
            "sweep": Path,
        },
    )
