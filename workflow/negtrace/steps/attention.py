"""Attention to the negator, and each head's selectivity for it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import torch

from negtrace.attention import negator_attention, selectivity
from negtrace.steps.command import run
from negtrace.store import labelled, provenance, read_table, write_table
from negtrace.tower import available_device, full_precision, load_tower


def step(options: Namespace) -> None:
    torch.set_num_threads(options.threads)
    full_precision()
    tower = load_tower(options.tower, options.dtype, available_device(options.device))
    attention = negator_attention(tower, read_table(options.alignment), options.memory_mb / 1024)
    made = provenance(
        "attention",
        inputs={"alignment": options.alignment},
        params={"dtype": options.dtype, "device": str(tower.device)},
        model=tower.identity,
    )
    write_table(labelled(attention, vars(options)), options.attention, "attention", made)
    per_head = selectivity(attention)
    write_table(labelled(per_head, vars(options)), options.selectivity, "selectivity", made)


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
            "dtype": str,
            "device": str,
            "memory_mb": int,
            "threads": int,
            "attention": Path,
            "selectivity": Path,
        },
    )
