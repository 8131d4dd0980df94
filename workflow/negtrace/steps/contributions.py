"""Direct contribution of every component to the scores of every item."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import torch

from negtrace.contributions import contributions
from negtrace.progress import bar
from negtrace.runs import pictured
from negtrace.steps.command import run
from negtrace.store import labelled, provenance, read_table, write_table
from negtrace.tower import available_device, full_precision, load_tower

TABLES = ("alignment", "candidates", "images")


def step(options: Namespace) -> None:
    torch.set_num_threads(options.threads)
    full_precision()
    tower = load_tower(options.tower, options.dtype, available_device(options.device))
    tables = {name: read_table(getattr(options, name)) for name in TABLES}
    tables["candidates"] = pictured(tables["candidates"], tables["images"])
    found = contributions(
        tower,
        **tables,
        logit_scale=tower.identity["logit_scale"],
        memory_gb=options.memory_mb / 1024,
        progress=bar,
    )
    made = provenance(
        "contributions",
        inputs={name: getattr(options, name) for name in TABLES},
        params={"dtype": options.dtype, "device": str(tower.device)},
        model=tower.identity,
    )
    write_table(labelled(found, vars(options)), options.contributions, "contributions", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "dataset": str,
            "model": str,
            "wording": str,
            "tower": Path,
            **dict.fromkeys(TABLES, Path),
            "dtype": str,
            "device": str,
            "memory_mb": int,
            "threads": int,
            "contributions": Path,
        },
    )
