"""Whether files of a user's folder have changed since a step read them.

The step leaves a record of what it read.  Whenever the job graph is built, sizes and times are
compared with it, and only files that differ there are hashed: a touched or copied file is no
change.  Imported when Snakemake builds the job graph: standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

Stamp = tuple[int, int] | None

# What file managers leave in the folders that they show.
LEAVINGS = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})


def stamps(folder: Path, names: Iterable[str]) -> dict[str, Stamp]:
    """Size and time of modification [ns] of each file; None where there is none."""
    return {name: _stamp(os.path.join(folder, name)) for name in names}


def record(
    state: str, stamped: Mapping[str, Stamp], hashes: Mapping[str, str | None]
) -> dict[str, object]:
    """What a step read, for `state_of`; as JSON.

    Args:
        state: what `state_of` said before the step ran.
        stamped: see `stamps`; taken before the files were hashed.
        hashes: sha256 by name; None of a file that could not be used, which is compared by its
            stamp alone.
    """
    files = {name: [stamp, hashes.get(name)] for name, stamp in stamped.items()}
    return {"state": state, "files": files}


@cache
def state_of(recorded: Path | str, folder: Path | str, whole: bool = False) -> str:
    """A word that stays the same as long as the recorded files do; empty without a record.

    Args:
        recorded: JSON file with a `record`.
        whole: whether files that the record does not name count too (see `files_in`).
    """
    state: str
    try:
        known = json.loads(Path(recorded).read_text())
        state, files = known["state"], known["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    names = files.keys() | set(files_in(folder)) if whole else files
    changes = []
    for name, stamp in sorted(stamps(Path(folder), names).items()):
        then, digest = files.get(name, (None, None))
        now = list(stamp) if stamp else None
        if now == then:
            continue
        found = _hash(os.path.join(folder, name)) if now else None
        if found is None or found != digest:
            changes.append(f"{name!a}:{found or now}")
    if not changes:
        return state
    return hashlib.sha256("\n".join([state, *changes]).encode()).hexdigest()[:16]


def files_in(folder: Path | str) -> Iterator[str]:
    """Files of a folder and its sub-folders, behind links too, but no hidden ones."""
    seen: set[tuple[int, int]] = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        place = os.stat(here)
        if (place.st_dev, place.st_ino) in seen:  # a link to a folder that was walked already
            folders.clear()
            continue
        seen.add((place.st_dev, place.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and name.lower() not in LEAVINGS:
                yield os.path.relpath(os.path.join(here, name), folder)


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # a name with a NUL is no file either
        return None
    return found.st_size, found.st_mtime_ns


def _hash(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
