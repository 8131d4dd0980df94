"""Sweep one site in one direction: restoration of every cell for every item."""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from pathlib import Path

from negtrace.precision import deviation, sample_items
from negtrace.progress import bar
from negtrace.restoration import sweep
from negtrace.scores import pictured
from negtrace.shards import take_shard
from negtrace.steps.command import run
from negtrace.steps.compute import COMPUTE, tower_of
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table
from negtrace.tower import load_tower

TABLES = ("alignment", "candidates", "images", "scores")


def step(options: Namespace) -> None:
    tower = tower_of(options)
    tables = tables_of(options, TABLES)
    candidates = pictured(tables["candidates"], tables["images"])
    chosen = take_shard(tables["alignment"], candidates, options.shard, options.shards)
    alignment, candidates = chosen
    run_sweep = partial(
        sweep,
        images=tables["images"],
        intervention=options.site,
        direction=options.direction,
        logit_scale=tower.identity["logit_scale"],
        memory_gb=options.memory_mb / 1024,
    )
    frame = run_sweep(tower, alignment, candidates, scores=tables["scores"], progress=bar)
    params = {
        "site": options.site,
        "direction": options.direction,
        "dtype": options.dtype,
        "device": str(tower.device),
    }
    if tower.dtype.itemsize < 4:
        exact = load_tower(options.tower, "float32", str(tower.device))
        sample = sample_items(candidates)
        again = run_sweep(exact, alignment, sample, scores=tables["scores"])
        params["deviation_from_float32"] = deviation(frame, again)
    made = provenance(
        "sweep",
        tables=tables.sources,
        params=params,
        model=tower.identity,
    )
    write_table(labelled(frame, vars(options)), options.sweep, "sweep", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            "site": str,
            "direction": str,
            **dict.fromkeys(TABLES, Path),
            **COMPUTE,
            "shard": int,
            "shards": int,
            "sweep": Path,
        },
    )
