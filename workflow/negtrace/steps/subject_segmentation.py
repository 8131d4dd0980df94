"""Subject sizes as a segmentation model sees them."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.clipseg import clipseg_areas
from negtrace.images import available, check_unchanged
from negtrace.progress import track
from negtrace.steps.command import run
from negtrace.steps.compute import device_of
from negtrace.steps.options import tables_of
from negtrace.store import provenance, write_table


def step(options: Namespace) -> None:
    device = device_of(options)
    tables = tables_of(options, ("candidates", "image_files"))
    candidates, files = tables.values()
    there = available(files)
    check_unchanged(options.images, files)
    items = candidates[candidates["image_file"].isin(there)].reset_index(drop=True)
    sizes = clipseg_areas(
        items,
        options.images,
        json.loads(options.segmenter.read_text())["folder"],
        options.batch,
        device,
        lambda batches: track(batches, desc="subjects", unit="batch"),
    )
    made = provenance(
        "subject_segmentation",
        tables=tables.sources,
        params={"model": options.model},
    )
    write_table(sizes, options.sizes, "subject_sizes", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "model": str,
            "segmenter": Path,
            "candidates": Path,
            "image_files": Path,
            "images": Path,
            "batch": int,
            "device": str,
            "threads": int,
            "sizes": Path,
        },
    )
