"""Download a dataset's annotations and check their hash."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.fetching.files import fetch_file
from negtrace.steps import downloads
from negtrace.steps.command import run


def step(options: Namespace) -> None:
    fetch_file(
        options.url, options.annotations, downloads.downloads(options), sha256=options.sha256
    )


if __name__ == "__main__":
    run(step, __doc__, {"url": str, "sha256": str, "annotations": Path, **downloads.OPTIONS})
