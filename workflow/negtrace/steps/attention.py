"""Attention to the negator, and each head's selectivity for it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.attention import negator_attention, selectivity
from negtrace.steps.command import run
from negtrace.steps.compute import COMPUTE, tower_of
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table


def step(options: Namespace) -> None:
    tower = tower_of(options)
    tables = tables_of(options, ["alignment"])
    attention = negator_attention(tower, tables["alignment"], options.memory_mb / 1024)
    made = provenance(
        "attention",
        tables=tables.sources,
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
            **OF_RUN,
            "alignment": Path,
            **COMPUTE,
            "attention": Path,
            "selectivity": Path,
        },
    )
