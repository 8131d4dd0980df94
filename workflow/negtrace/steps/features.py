"""What makes an item hard: similarity of its sentences, their length, its subject's size."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.features import item_features
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table

TABLES = ("segments", "candidates", "sentences", "alignment")


def step(options: Namespace) -> None:
    options.subject_sizes = next(iter(options.sizes), None)
    tables = tables_of(options, [*TABLES, *(["subject_sizes"] if options.sizes else [])])
    made = provenance("features", tables=tables.sources)
    table = labelled(item_features(**tables), vars(options))
    write_table(table, options.features, "features", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            **dict.fromkeys(TABLES, Path),
            "sizes": [Path],
            "features": Path,
        },
    )
