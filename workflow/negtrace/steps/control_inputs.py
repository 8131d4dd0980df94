"""A negative control has the items and images of the dataset that it is derived from."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.steps.command import run
from negtrace.store import provenance, read_table, write_table


def step(options: Namespace) -> None:
    made = provenance("control_inputs", inputs={"of": options.of_items})
    write_table(read_table(options.of_items), options.items, "items", made)
    write_table(read_table(options.of_image_files), options.image_files, "image_files", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {"of_items": Path, "of_image_files": Path, "items": Path, "image_files": Path},
    )
