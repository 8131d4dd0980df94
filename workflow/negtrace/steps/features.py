"""What makes an item hard: similarity of its sentences, their length, its subject's size."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.features import item_features
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN, paths_of, tables_of
from negtrace.store import labelled, provenance, read_table, write_table

TABLES = ("segments", "candidates", "sentences", "alignment")


def step(options: Namespace) -> None:
    paths, tables = paths_of(options, TABLES), tables_of(options, TABLES)
    if options.sizes:
        paths["subject_sizes"] = options.sizes[0]
        tables["subject_sizes"] = read_table(options.sizes[0])
    made = provenance("features", inputs=paths)
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
