"""The state of a user's folder, cheap enough to be looked at whenever the job graph is built.

Imported when Snakemake builds the job graph: standard library only.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

# Endings of pictures; a file without an ending may be one too.
PICTURE = re.compile(
    r"([^.]+|.*\.("
    r"apng|avif|avifs|blp|bmp|bw|cur|dcx|dds|dib|eps|exr|fits|gif|hdr|heic|heif|icb|icns|"
    r"ico|im|j2c|j2k|jfif|jp2|jpc|jpe|jpeg|jpf|jpg|jpx|jxl|mpo|msp|pbm|pcx|pfm|pgm|png|"
    r"pnm|ppm|psd|qoi|ras|rgb|rgba|sgi|tga|tif|tiff|vda|vst|webp|xbm|xpm"
    r"))",
    re.IGNORECASE | re.DOTALL,
)


def is_picture(name: str) -> bool:
    return PICTURE.fullmatch(name) is not None


# What file managers leave in the folders that they show.
LEAVINGS = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})


def is_data(name: str) -> bool:
    return name.lower() not in LEAVINGS


@cache
def folder_state(folder: Path | str, counts: Callable[[str], bool]) -> str:
    """First 16 hex digits of a sha256 over the files' names, sizes and times of modification.

    Looks into sub-folders and behind links, opens no file, and leaves out hidden names.

    Args:
        counts: whether a file of this name matters.
    """
    digest = hashlib.sha256()
    for name, size, modified in sorted(_files(os.fspath(folder), b"", counts, set())):
        digest.update(b"%d:%s:%d:%d\n" % (len(name), name, size, modified))
    return digest.hexdigest()[:16]


def _files(
    folder: str, prefix: bytes, counts: Callable[[str], bool], above: set[tuple[int, int]]
) -> Iterator[tuple[bytes, int, int]]:
    """Name from the top, size and time in nanoseconds; a link to nothing has neither."""
    try:
        here = os.stat(folder)
        entries = list(os.scandir(folder))
    except OSError:
        return
    identity = (here.st_dev, here.st_ino)
    if identity in above:  # a link to a folder that holds it
        return
    for entry in entries:
        name = prefix + os.fsencode(entry.name)
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _files(entry.path, name + b"/", counts, above | {identity})
        elif counts(entry.name):
            try:
                state = entry.stat()
                yield name, state.st_size, state.st_mtime_ns
            except OSError:
                yield name, -1, -1
