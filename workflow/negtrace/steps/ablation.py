"""Ablate the heads that restore most on one half of the pairs, and others, on the other half."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.ablation import ablate_found_heads
from negtrace.confirmation import confirmation, curves
from negtrace.progress import bar
from negtrace.steps.command import run
from negtrace.steps.compute import COMPUTE, tower_of
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table

TABLES = ("alignment", "candidates", "images", "scores", "sweep", "segments")


def step(options: Namespace) -> None:
    tower = tower_of(options)
    heads = min(options.heads, tower.shape.layers * tower.shape.heads)
    tables = tables_of(options, TABLES)
    means = ablate_found_heads(
        tower,
        tables,
        heads,
        options.draws,
        options.seed,
        memory_gb=options.memory_mb / 1024,
        progress=bar,
    )
    made = provenance(
        "ablation",
        tables=tables.sources,
        params={"heads": heads, "draws": options.draws, "device": str(tower.device)},
        model=tower.identity,
        seed=options.seed,
    )
    labels = vars(options)
    write_table(labelled(means, labels), options.ablations, "ablations", made)
    confirmed = labelled(confirmation(means), labels)
    write_table(confirmed, options.confirmation, "confirmation", made)
    write_table(labelled(curves(means), labels), options.curves, "curves", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            **dict.fromkeys(TABLES, Path),
            "heads": int,
            "draws": int,
            "seed": int,
            **COMPUTE,
            "ablations": Path,
            "confirmation": Path,
            "curves": Path,
        },
    )
