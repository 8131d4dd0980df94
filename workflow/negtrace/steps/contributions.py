"""Direct contribution of every component to the scores of every item."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.contributions import contributions
from negtrace.progress import bar
from negtrace.scores import pictured
from negtrace.steps.command import run
from negtrace.steps.compute import COMPUTE, tower_of
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table

TABLES = ("alignment", "candidates", "images")


def step(options: Namespace) -> None:
    tower = tower_of(options)
    tables = tables_of(options, TABLES)
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
        tables=tables.sources,
        params={"dtype": options.dtype, "device": str(tower.device)},
        model=tower.identity,
    )
    write_table(labelled(found, vars(options)), options.contributions, "contributions", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            **dict.fromkeys(TABLES, Path),
            **COMPUTE,
            "contributions": Path,
        },
    )
