"""Fetch the pictures that published outputs of a model are of, as far as they can be had."""

from __future__ import annotations

import logging
from argparse import Namespace
from pathlib import Path

from negtrace.errors import InputError
from negtrace.fetching.files import fetch_file
from negtrace.replication.published import picture_urls
from negtrace.steps import downloads
from negtrace.steps.command import run
from negtrace.tables.store import write_json


def step(options: Namespace) -> None:
    folder = options.pictures.parent / "pictures"
    files, urls = {}, {}
    for name, url in picture_urls().items():
        path = folder / url.rsplit("/", 1)[-1]
        try:
            fetch_file(url, path, downloads.downloads(options))
        except InputError as error:
            logging.warning("%s: %s", name, error)
            continue
        files[name], urls[str(path)] = str(path), url
    write_json({"files": files, "urls": urls}, options.pictures)


if __name__ == "__main__":
    run(step, __doc__, {"pictures": Path, **downloads.OPTIONS})
