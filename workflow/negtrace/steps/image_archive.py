"""Fetch a dataset's images out of an archive somewhere else."""

from __future__ import annotations

import json
import logging
from argparse import Namespace
from pathlib import Path

from negtrace.archive_images import ImageArchive, fetch_images
from negtrace.images import naming_an_image
from negtrace.progress import bar
from negtrace.steps import downloads
from negtrace.steps.command import run
from negtrace.steps.options import tables_of
from negtrace.store import provenance, write_table


def step(options: Namespace) -> None:
    tables = tables_of(options, ["items"])
    entry = json.loads(options.archive)
    fallback = tuple(entry.get("fallback", ()))
    archive = ImageArchive(entry["url"], entry["member"], fallback)
    items = naming_an_image(tables["items"])
    files = fetch_images(items, archive, options.folder, downloads.downloads(options), bar)
    missing = files["reason"].notna().sum()
    if missing:
        logging.warning("%d of %d images cannot be had; see the table", missing, len(files))
    made = provenance("image_archive", tables=tables.sources, params={"archive": archive._asdict()})
    write_table(files, options.image_files, "image_files", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {"items": Path, "archive": str, "folder": Path, "image_files": Path, **downloads.OPTIONS},
    )
