"""Files from a mirror or over HTTP: resumed, retried, checked, one or many.

A *mirror* is a folder that holds files under ``<host>/<path>`` of their URL; it is asked before the
network.  Bytes that have arrived are kept in ``<file>.part`` until the file is complete: a later
attempt, or a later process, asks only for the rest, and for the whole if the server's file has
changed meanwhile.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import requests
from filelock import FileLock
from tqdm import tqdm

from negtrace.errors import InputError
from negtrace.fetching.downloads import Downloads, Origin, Outcome, mirror_path
from negtrace.fetching.transport import RANGES_REFUSED, Client, Fault, in_words, length_of
from negtrace.progress import bar
from negtrace.tables import store

CHUNK_BYTES = 1 << 16

# Left free on the disk, whatever a server sends; and the most of a body of no declared length.
RESERVE_BYTES = 1 << 26
UNDECLARED_BYTES = 1 << 36

quiet = partial(bar, disable=True)

T = TypeVar("T")
K = TypeVar("K")


def fetch_file(url: str, path: Path, downloads: Downloads, sha256: str | None = None) -> Origin:
    """Have the file of a URL at `path`; a finished file is never fetched twice.

    A file that is there with another hash is left alone, because it may be somebody's own; wrong
    bytes from the network are discarded and fetched once more.

    Args:
        sha256: the expected hash in hexadecimal digits; without it any content is accepted.

    Returns:
        ``present`` (it was there), ``mirror`` or ``network``.

    Raises:
        InputError: the file cannot be had, or has another hash.
    """
    try:
        with Client(downloads) as client:
            return _at_hand(url, path, downloads, sha256) or download(url, path, client, sha256)
    except Fault as fault:
        raise InputError(f"{url}: {fault}; {_remedy(url, downloads)}") from fault


def fetch_files(
    files: Mapping[str, Path], downloads: Downloads, progress: Callable[..., tqdm[Any]] = bar
) -> dict[str, Outcome]:
    """Many files in parallel, as `fetch_file` does; one that cannot be had is no error.

    A host that cannot be reached for one file is not tried again for the others.

    Args:
        files: where each URL's file goes.
        progress: makes the bar, with tqdm's options.

    Returns:
        what became of each URL.

    Raises:
        InputError: a URL names no file.
    """
    with Client(downloads) as client:

        def fetch(url: str) -> Outcome:
            path = files[url]
            try:
                origin = _at_hand(url, path, downloads)
                return Outcome(origin or download(url, path, client, progress=quiet))
            except Fault as fault:
                return Outcome(None, str(fault))

        return in_parallel(fetch, files, downloads, progress, desc="files", unit="file")


def download(
    url: str,
    path: Path,
    client: Client,
    expected: str | None = None,
    progress: Callable[..., tqdm[Any]] = bar,
) -> Origin:
    """Fetch a file over HTTP, resuming what there is of it.

    Processes that fetch the same path at once take turns (a lock beside it); the later ones find
    it present.

    Raises:
        Fault: it cannot be had.
        InputError: another process has fetched it, with another hash.
    """
    part = path.with_name(f"{path.name}.part")
    with _turn(part):
        if path.exists():
            _check_hash(path, expected)
            return "present"
        for _ in range(2):
            client.persist(url, lambda: _continue(url, part, client, progress))
            found = store.sha256(part) if expected else None
            if not expected or found == expected.lower():
                os.replace(part, path)
                _discard(part)
                return "network"
            _discard(part)
        raise Fault(f"twice the bytes had the sha256 {found}, but {expected} is expected")


def in_parallel(
    work: Callable[[K], T],
    items: Collection[K],
    downloads: Downloads,
    progress: Callable[..., tqdm[Any]],
    **labels: Any,
) -> dict[K, T]:
    """The result of every item, by at most `connections` threads."""
    with ThreadPoolExecutor(downloads.connections) as pool:
        results = progress(iterable=pool.map(work, items), total=len(items), **labels)
        return dict(zip(items, results, strict=True))


def _at_hand(
    url: str, path: Path, downloads: Downloads, expected: str | None = None
) -> Origin | None:
    """Use what needs no connection: the file itself, or the mirror's."""
    if path.exists():
        _check_hash(path, expected)
        return "present"
    if (mirrored := downloads.mirrored(url)) and mirrored.is_file():
        _check_hash(mirrored, expected)
        with store.atomic_path(path) as temporary:
            shutil.copyfile(mirrored, temporary)
        return "mirror"
    return None


def _check_hash(path: Path, expected: str | None) -> None:
    if expected and (found := store.sha256(path)) != expected.lower():
        raise InputError(
            f"{path}: its sha256 is {found}, but {expected.lower()} is expected; remove the file "
            "so that it is fetched again, or correct the expected hash"
        )


def _remedy(url: str, downloads: Downloads) -> str:
    if downloads.mirror:
        by_hand = f"put the file at {mirror_path(url, downloads.mirror)}"
    else:
        place = mirror_path(url, Path()).as_posix()
        by_hand = f"set downloads.mirror (none is configured) to a folder that holds {place}"
    if downloads.offline:
        return f"allow connections (downloads.offline: false) or {by_hand}"
    return f"check the URL, the network and the proxy settings, or {by_hand}"


@contextmanager
def _turn(part: Path) -> Iterator[None]:
    """Be the only process that writes `part`, whose name is fixed so that others can resume it."""
    lock = part.with_name(f"{part.name}.lock")
    part.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        try:
            yield
        finally:
            # Still held: whoever waits for this file notices that it is gone and makes another.
            lock.unlink(missing_ok=True)


def _continue(url: str, part: Path, client: Client, progress: Callable[..., tqdm[Any]]) -> None:
    """Fetch what `part` lacks, in one attempt."""
    have = part.stat().st_size if part.exists() else 0
    validator = _validator_file(part).read_text() if have and _validator_file(part).exists() else ""
    headers = {"Range": f"bytes={have}-", "If-Range": validator} if validator else {}
    try:
        response = client.get(url, headers=headers)
    except Fault as fault:
        if not headers or fault.status not in RANGES_REFUSED:
            raise
        _discard(part)
        return _continue(url, part, client, progress)
    with response:
        resumed = response.status_code == HTTPStatus.PARTIAL_CONTENT
        if resumed and not headers:
            raise Fault("the server sent a part, but the whole was asked for", passing=True)
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            _discard(part)
            raise Fault("the server sent another part than the one asked for", passing=True)
        if not resumed:
            have = 0
            _discard(part)
            _validator_file(part).write_text(_validator(response))
        length = length_of(response)
        total = None if length is None else have + length
        room = _room(part)
        if length is not None and length > room:
            raise Fault(
                f"the server sends {length / 1e9:.1f} GB, but {part.parent} has room for "
                f"{room / 1e9:.1f} GB; free some"
            )
        most = min(room, UNDECLARED_BYTES) if length is None else length
        arrived = 0
        options = {"desc": part.stem, "unit": "B", "unit_scale": True}
        with (
            open(part, "ab") as file,
            progress(total=total, initial=have, **options) as shown,
            in_words(),
        ):
            # Not iter_content, which loses what arrived of a chunk that was cut.
            while chunk := response.raw.read(CHUNK_BYTES):
                arrived += len(chunk)
                if arrived > most:
                    raise Fault(f"the server goes on after {most / 1e9:.1f} GB without an end")
                file.write(chunk)
                shown.update(len(chunk))


def _room(part: Path) -> int:
    """Bytes that a download may fill."""
    return max(0, shutil.disk_usage(part.parent).free - RESERVE_BYTES)


def _validator(response: requests.Response) -> str:
    """What tells this version of a file from others: a strong ETag, a date, or nothing."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _validator_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.validator")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator_file(part).unlink(missing_ok=True)
