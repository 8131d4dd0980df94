"""Make a stand-in picture for every image file that a dataset names."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.generated_images import generate_images
from negtrace.images import file_table, image_files
from negtrace.steps.command import run
from negtrace.steps.options import tables_of
from negtrace.store import provenance, write_table


def step(options: Namespace) -> None:
    tables = tables_of(options, ["items"])
    names = image_files(tables["items"])
    faults = generate_images(options.folder, names, options.seed)
    files = file_table(options.folder, names, "generated", faults)
    made = provenance("generated_images", tables=tables.sources, seed=options.seed)
    write_table(files, options.image_files, "image_files", made)


if __name__ == "__main__":
    run(step, __doc__, {"items": Path, "folder": Path, "seed": int, "image_files": Path})
