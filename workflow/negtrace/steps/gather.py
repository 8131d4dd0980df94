"""Put the shards of a sweep together."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.shards import gather
from negtrace.steps.command import run
from negtrace.store import provenance, read_provenance, read_table, write_table


def step(options: Namespace) -> None:
    items = read_table(options.scores, columns=["item_id"])
    frame = gather([read_table(path) for path in options.parts], items)
    first = read_provenance(options.parts[0])
    made = provenance(
        "sweep",
        inputs={"scores": options.scores},
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
