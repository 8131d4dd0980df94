"""Draw the demo world's pictures and write its items."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.data.images import file_table, image_files
from negtrace.data.scenes import write_dataset
from negtrace.steps.command import run
from negtrace.tables.store import provenance, write_table
from negtrace.data.readers.valse import read_valse


def step(options: Namespace) -> None:
    write_dataset(options.folder, options.number, options.seed)
    names = image_files(read_valse(options.folder / "existence.json"))
    files = file_table(options.folder / "images", names, "scenes")
    made = provenance("scenes", params={"items": options.number}, seed=options.seed)
    write_table(files, options.image_files, "image_files", made)


if __name__ == "__main__":
    run(step, __doc__, {"folder": Path, "number": int, "seed": int, "image_files": Path})
