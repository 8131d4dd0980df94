"""Text files of users: plain or gzipped, in the encoding that is given or found."""

from __future__ import annotations

import codecs
import gzip
import logging
import zlib
from pathlib import Path

from negtrace.errors import InputError

LARGEST = 2**31  # bytes, unpacked
GUESS = "cp1252"  # what is neither UTF-8 nor UTF-16 most often is

# The longer marks first: that of UTF-32 begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def endings(path: Path) -> tuple[str, bool]:
    """The ending in lower case that says what a file holds, and whether it is gzipped."""
    packed = path.suffix.lower() == ".gz"
    return Path(path.stem if packed else path.name).suffix.lower(), packed


def read_content(path: Path) -> bytes:
    """A file's bytes, unpacked if it is gzipped.

    Raises:
        InputError: it cannot be read, or is larger than `LARGEST`.
    """
    try:
        with gzip.open(path) if endings(path)[1] else open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        fault = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({fault}); check the path and the file") from None
    if len(content) > LARGEST:
        raise InputError(f"{path}: is larger than {LARGEST >> 30} GB; split it")
    return content


def read_text(path: Path, encoding: str | None = None) -> str:
    """A file's text.

    Without an `encoding` the file's byte order mark decides, else it is UTF-8, UTF-16 (every other
    byte is 0) or, said in the log, `GUESS`.

    Raises:
        InputError: it cannot be read, is in no such encoding, or there is no encoding of the name.
    """
    content = read_content(path)
    found = encoding or _encoding(content)
    try:
        text = content.decode(found)
    except LookupError:
        raise InputError(
            f"{path}: there is no encoding {found!r}; use utf-8, utf-16, cp1252 or another name "
            "that Python knows"
        ) from None
    except UnicodeError:
        tried = found if encoding else f"UTF-8, UTF-16 or {GUESS}"
        raise InputError(
            f"{path}: is not {tried} text; name its encoding, or save it as UTF-8"
        ) from None
    if found == GUESS and not encoding:
        logging.warning("%s: read as %s; name its encoding if that is wrong", path, GUESS)
    return text.removeprefix("\ufeff")


def _encoding(content: bytes) -> str:
    for mark, name in _MARKS.items():
        if content.startswith(mark):
            return name
    head = content[:4096]
    for first, name in ((0, "utf-16-be"), (1, "utf-16-le")):
        if len(head) > 1 and head[first::2].count(0) > 0.4 * len(head[first::2]):
            return name
    try:
        content.decode()
    except UnicodeDecodeError:
        return GUESS
    return "utf-8"
