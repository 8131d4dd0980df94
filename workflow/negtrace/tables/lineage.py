"""Tables read together: of one run, and made from one another as they are now."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from negtrace.errors import InputError
from negtrace.tables.store import Source, read_source
from negtrace.vocabulary import LABELS

# Tables whose role in a step is not their kind.
KINDS = {
    "item_table": "items",  # Snakemake keeps the name items for itself
    "pairs": "candidates",
    "rejected": "excluded",
    "part": "sweep",
    "parts": "sweep",
    "donor_parts": "donor_sweep",
    "map": "restoration_map",
    "maps": "restoration_map",
    "circuit_minimality": "minimality",
}
PREFIXES = ("of_", "placebo_")


class Tables(dict[str, pd.DataFrame]):
    """Frames by role; `sources` are the files they were read from."""

    def __init__(self, frames: Mapping[str, pd.DataFrame], sources: Mapping[str, Source]) -> None:
        super().__init__(frames)
        self.sources = dict(sources)


def kind_of(role: str) -> str:
    """The kind of table that plays a role: ``map.head`` is a restoration_map."""
    for prefix in PREFIXES:
        role = role.removeprefix(prefix)
    role = role.partition(".")[0]
    return KINDS.get(role, role)


def read_tables(paths: Mapping[str, Path], labels: Mapping[str, str] | None = None) -> Tables:
    """Read tables and check each by itself and against the others.

    Args:
        paths: files by role; what follows a point in a role tells several of a kind apart.
        labels: dataset, model and wording that they have to be of; other keys do not matter.

    Raises:
        InputError: a file is missing, damaged or of another kind, dataset, model or wording, or
            was made from another version of one of the others or of a table that both name.
    """
    read = {role: read_source(Path(path), kind_of(role)) for role, path in paths.items()}
    return checked(read, labels)


def checked(
    read: Mapping[str, tuple[pd.DataFrame, Source]], labels: Mapping[str, str] | None = None
) -> Tables:
    """Tables that were read, checked against each other as `read_tables` does.

    Raises:
        InputError: see `read_tables`.
    """
    sources = {role: source for role, (_, source) in read.items()}
    _check_labels(sources.values(), labels or {})
    _check_inputs(sources.values())
    return Tables({role: frame for role, (frame, _) in read.items()}, sources)


def recorded_inputs(source: Source) -> dict[Path, str]:
    """The tables that a table was made from, and the sha256 that each had then."""
    made = source.provenance
    return {
        Path(os.path.normpath(source.path.parent / name)): made["inputs"][role]
        for role, name in made.get("tables", {}).items()
    }


def _check_labels(sources: Iterable[Source], labels: Mapping[str, str]) -> None:
    expected = {name: (labels[name], "the job") for name in LABELS if name in labels}
    for source in sources:
        for name, found in source.provenance["labels"].items():
            wanted, whose = expected.setdefault(name, (found, source.path.name))
            if found != wanted:
                raise InputError(
                    f"{source.path}: is of the {name} {found}, but {whose} is of {wanted}; "
                    "delete it and run again"
                )


def _check_inputs(sources: Iterable[Source]) -> None:
    sources = list(sources)
    now = {Path(os.path.normpath(source.path)): source.sha256 for source in sources}
    for source in sources:
        for path, digest in recorded_inputs(source).items():
            if now.setdefault(path, digest) != digest:
                raise InputError(
                    f"{source.path}: its recorded inputs do not match: it was made from another "
                    f"{path.name} than is there; delete it and run again"
                )
