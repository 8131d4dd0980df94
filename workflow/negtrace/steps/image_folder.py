"""Look at every image of a user's folder."""

from __future__ import annotations

import logging
from argparse import Namespace
from pathlib import Path

from negtrace.images import file_table, image_files
from negtrace.steps.command import run
from negtrace.store import provenance, read_table, write_table


def step(options: Namespace) -> None:
    files = file_table(options.folder, image_files(read_table(options.items)), "folder")
    if missing := files["reason"].notna().sum():
        logging.warning("%d of %d images cannot be used; see the table", missing, len(files))
    made = provenance("image_folder", inputs={"items": options.items})
    write_table(files, options.image_files, "image_files", made)


if __name__ == "__main__":
    run(step, __doc__, {"items": Path, "folder": Path, "image_files": Path})
