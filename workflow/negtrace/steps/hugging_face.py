"""Read a split of a dataset that `datasets` can load: its items and its pictures."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.folder_state import files_in, record, stamps
from negtrace.hugging_face import located, read_hugging_face
from negtrace.progress import track
from negtrace.steps import downloads
from negtrace.steps.command import run
from negtrace.store import provenance, sha256, write_json, write_table


def step(options: Namespace) -> None:
    entry = json.loads(options.entry)
    made = provenance("hugging_face", params=entry)
    folder = Path(entry["source"])
    stamped = stamps(folder, files_in(folder)) if folder.is_dir() else {}
    hashes = {name: sha256(folder / name) for name, stamp in stamped.items() if stamp}
    items, files = read_hugging_face(
        located(entry["source"], downloads.downloads(options)),
        entry["split"],
        entry.get("columns", {}),
        options.folder,
        subset=entry.get("subset"),
        revision=entry.get("revision"),
        progress=lambda rows: track(rows, desc="rows", unit="row"),
    )
    write_json(record(options.state, stamped, hashes), options.files_read)
    write_table(files, options.image_files, "image_files", made)
    write_table(items, options.items, "items", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "entry": str,
            "state": str,
            "files_read": Path,
            "folder": Path,
            "items": Path,
            "image_files": Path,
            **downloads.OPTIONS,
        },
    )
