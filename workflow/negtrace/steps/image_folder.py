"""Look at every image of a user's folder."""

from __future__ import annotations

import logging
from argparse import Namespace
from pathlib import Path

from negtrace.folder_state import record, stamps
from negtrace.images import file_table, image_files
from negtrace.steps.command import run
from negtrace.steps.options import tables_of
from negtrace.store import provenance, write_json, write_table


def step(options: Namespace) -> None:
    tables = tables_of(options, ["items"])
    names = image_files(tables["items"])
    stamped = stamps(options.folder, names)
    files = file_table(options.folder, names, "folder")
    if missing := files["reason"].notna().sum():
        logging.warning("%d of %d images cannot be used; see the table", missing, len(files))
    made = provenance("image_folder", tables=tables.sources)
    hashes = files.dropna(subset="sha256").set_index("image_file")["sha256"].to_dict()
    write_json(record(options.state, stamped, hashes), options.files_read)
    write_table(files, options.image_files, "image_files", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "items": Path,
            "folder": Path,
            "state": str,
            "files_read": Path,
            "image_files": Path,
        },
    )
