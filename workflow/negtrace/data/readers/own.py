"""A reader of the user's own: a function of a Python file, or an entry point of a package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from negtrace.data.items import ITEM_COLUMNS, item_table
from negtrace.errors import InputError
from negtrace.messages import listed, one_line
from negtrace.study.extensions import READERS, called, function

READER = {
    "kind": "reader",
    "files": {"file": {"type": "string"}, "code": {"type": "string"}},
    "options": {"options": {"type": "object"}},
}

NEEDED = ("item_id", "image_file", "caption", "foil")


def read_own(path: Path, named: str, options: Mapping[str, Any]) -> pd.DataFrame:
    """The table ``items`` by ``read(path, **options)``, a function of the user's.

    Args:
        named: the function's file, or an entry point of `READERS`.

    Raises:
        InputError: there is no such function, it raises, or what it returns is no table of items.
    """
    what = f"read({path})"
    found = called(named, what, function(READERS, named, "read"), path, **options)
    rows: list[dict[str, Any]] = []
    if not (fault := _fault_of_table(found)):
        cells = found.astype(object).where(found.notna(), None)
        rows = [
            {column: value for column, value in row.items() if value is not None}
            for row in cells.to_dict("records")
        ]
        fault = _fault_of_rows(rows)
    if fault:
        raise InputError(f"{named}: {what} returns {fault}; correct it")
    items: pd.DataFrame = called(named, what, item_table, rows)
    return items


def _fault_of_table(found: Any) -> str | None:
    """What is wrong with a table of a user's as a whole, or None."""
    if not isinstance(found, pd.DataFrame):
        return f"no DataFrame but a {type(found).__name__}"
    columns = set(found.columns)
    if not set(NEEDED) <= columns <= set(ITEM_COLUMNS) or not found.columns.is_unique:
        return (
            f"the columns {listed(found.columns)}; needed are {', '.join(NEEDED)}, allowed "
            f"{', '.join(ITEM_COLUMNS)}, once each"
        )
    return "no rows" if found.empty else None


def _fault_of_rows(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """What is wrong with a row, or None; one with a reason may lack the rest."""
    seen: set[str] = set()
    for row in rows:
        for column in ("item_id",) if row.get("reason") else NEEDED:
            if not isinstance(row.get(column), str):
                return f"{one_line(repr(row.get(column)))} as the {column}, which has to be text"
        if not row["item_id"].strip() or row["item_id"] in seen:
            return f"the item_id {one_line(repr(row['item_id']))}, empty or used before"
        seen.add(row["item_id"])
    return None
