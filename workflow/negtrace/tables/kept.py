"""Kept tables: second names of finished ones, for a job that is run again.

Snakemake deletes all that a job makes before it runs.  Where one job makes the tables of many
sweeps, those that are as they would become now are taken from here: nothing is computed twice if
a job was killed half-way, or if a study wants one more sweep.  A second name takes no room on the
disk as long as the first is there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from negtrace.tables.seal import is_sealed
from negtrace.tables.store import atomic_path

FOLDER = ".kept"


def kept_as(path: Path, code: str, made_from: Mapping[str, Any]) -> Path:
    """The second name of a table.

    Args:
        code: hash of the code that makes it.
        made_from: see `store.provenance`; where the inputs lie does not matter.
    """
    told = {key: value for key, value in made_from.items() if key != "tables"}
    digest = hashlib.sha256(json.dumps([code, told], sort_keys=True).encode()).hexdigest()
    return path.parent / FOLDER / f"{path.name}.{digest[:16]}"


def restore(names: Mapping[Path, Path]) -> bool:
    """Give tables back their first names, if all are there and whole.

    Args:
        names: second names by path.
    """
    if not all(kept.is_file() and is_sealed(kept.read_bytes()) for kept in names.values()):
        return False
    for path, kept in names.items():
        _link(kept, path)
    return True


def keep(names: Mapping[Path, Path]) -> None:
    """Give tables second names, in the place of those that earlier ones of the same path have.

    Where the file system cannot, nothing is kept.
    """
    for path, kept in names.items():
        kept.parent.mkdir(exist_ok=True)
        _remove(kept.parent.glob(f"{path.name}.*"))
        try:
            _link(path, kept)
        except OSError:
            return


def _link(existing: Path, path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.unlink()
        os.link(existing, temporary)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
