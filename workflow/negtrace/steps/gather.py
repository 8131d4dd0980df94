"""Put the shards of a sweep together."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.lineage import read_tables
from negtrace.shards import gather
from negtrace.steps.command import run
from negtrace.store import provenance, write_table


def step(options: Namespace) -> None:
    parts = {f"part.{number}": path for number, path in enumerate(options.parts)}
    tables = read_tables({"scores": options.scores, **parts})
    frame = gather([tables[part] for part in parts], tables["scores"][["item_id"]])
    scores, first = tables.sources["scores"], tables.sources["part.0"].provenance
    made = provenance(
        "sweep",
        tables={"scores": scores},
        params={**first["params"], "shards": len(options.parts)},
        model=first["model"],
    )
    write_table(frame, options.sweep, "sweep", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "scores": Path,
            "parts": (Path,),
            "sweep": Path,
        },
    )
