"""Fetch the segmentation model that a dataset's subject sizes come from."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.fetching.hub_repository import fetch_repository
from negtrace.steps import downloads
from negtrace.steps.command import run
from negtrace.tables.store import write_json

FILES = ("*.json", "*.txt", "*.safetensors", "*.bin")


def step(options: Namespace) -> None:
    folder, urls = Path(options.model), {}
    if not folder.is_dir():
        folder = options.segmenter.parent / "segmenter"
        urls = fetch_repository(options.model, folder, FILES, downloads.downloads(options))
    write_json({"folder": str(folder), "urls": urls}, options.segmenter)


if __name__ == "__main__":
    run(step, __doc__, {"model": str, "segmenter": Path, **downloads.OPTIONS})
