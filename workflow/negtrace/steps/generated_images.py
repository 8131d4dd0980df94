"""Make a stand-in picture for every image file that a dataset names."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.generated_images import generate_images
from negtrace.steps.command import run
from negtrace.store import read_table, write_manifest


def step(options: Namespace) -> None:
    items = read_table(options.candidates, columns=["image_file"])
    files = generate_images(options.folder, sorted(items["image_file"].unique()), options.seed)
    write_manifest(files, options.manifest)


if __name__ == "__main__":
    run(step, __doc__, {"candidates": Path, "folder": Path, "seed": int, "manifest": Path})
