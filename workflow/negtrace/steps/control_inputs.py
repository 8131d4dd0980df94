"""A negative control has the items and images of the dataset that it is derived from."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.steps.command import run
from negtrace.steps.options import tables_of
from negtrace.store import provenance, write_table

TABLES = ("of_items", "of_image_files")


def step(options: Namespace) -> None:
    tables = tables_of(options, TABLES)
    made = provenance("control_inputs", tables=tables.sources)
    write_table(tables["of_items"], options.items, "items", made)
    write_table(tables["of_image_files"], options.image_files, "image_files", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {**dict.fromkeys(TABLES, Path), "items": Path, "image_files": Path},
    )
