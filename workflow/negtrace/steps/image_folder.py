"""Check every image of a user's folder."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.images import check_images, file_table, image_files
from negtrace.steps.command import run
from negtrace.steps.options import tables_of
from negtrace.store import provenance, write_table


def step(options: Namespace) -> None:
    tables = tables_of(options, ["items"])
    items = tables["items"]
    check_images(options.folder, items)
    files = file_table(options.folder, image_files(items), "folder")
    made = provenance("image_folder", tables=tables.sources)
    write_table(files, options.image_files, "image_files", made)


if __name__ == "__main__":
    run(step, __doc__, {"items": Path, "folder": Path, "image_files": Path})
