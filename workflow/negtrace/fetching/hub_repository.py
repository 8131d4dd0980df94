"""Repositories of the Hugging Face hub in a folder of ours, from the mirror or over the network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from negtrace.errors import InputError
from negtrace.fetching.downloads import Downloads, mirror_path
from negtrace.fetching.hub import model_url
from negtrace.messages import one_line
from negtrace.tables.store import write_json

HUB_ERRORS = (HfHubHTTPError, LocalEntryNotFoundError, OSError)

# Written last: a folder with it is complete.
FETCHED = "fetched.json"


def fetch_repository(
    repository: str, folder: Path, patterns: Sequence[str], downloads: Downloads
) -> dict[str, str]:
    """Fetch the files of a model's repository that match a pattern; a complete folder stays.

    Returns:
        the address of every file by its path.

    Raises:
        InputError: it cannot be had; says where it was looked for.
    """
    record = folder / FETCHED
    if record.is_file():
        recorded: dict[str, str] = json.loads(record.read_text())
        return recorded
    mirrored = downloads.mirrored(model_url(repository))
    if mirrored:
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(path for path in mirrored.iterdir() if path.is_file()):
            if any(fnmatch(file.name, pattern) for pattern in patterns):
                shutil.copy2(file, folder)
    else:
        _download(repository, folder, patterns, downloads)
    files = sorted(file for file in folder.iterdir() if file.is_file())
    urls = {str(file): model_url(repository, file.name) for file in files}
    write_json(urls, record)
    return urls


def _download(repository: str, folder: Path, patterns: Sequence[str], downloads: Downloads) -> None:
    if downloads.offline:
        fault: object = "offline"
    else:
        try:
            snapshot_download(repository, local_dir=folder, allow_patterns=list(patterns))
            return
        except HUB_ERRORS as error:
            fault = error
    raise InputError(
        f"{repository} cannot be had: {one_line(fault)}; "
        + remedy(model_url(repository), downloads)
    )


def remedy(url: str, downloads: Downloads) -> str:
    """What to do about a file of the hub that cannot be had."""
    if downloads.mirror is None:
        return "run where there is a network, or set downloads.mirror to a folder that has it"
    return f"put it at {mirror_path(url, downloads.mirror)}"
