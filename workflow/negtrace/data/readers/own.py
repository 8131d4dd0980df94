"""A reader of the user's own: a function of a Python file, or an entry point of a package."""

from __future__ import annotations

from collections.abc import Mapping
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
    if fault := _fault(found):
        raise InputError(f"{named}: {what} returns {fault}; correct it")
    rows = found.astype(object).where(found.notna(), None).to_dict("records")
    return called(named, what, item_table, rows)


def _fault(found: Any) -> str | None:
    """What is wrong with a table of a user's, or None."""
    if not isinstance(found, pd.DataFrame):
        return f"no DataFrame but a {type(found).__name__}"
    missing = [column for column in NEEDED if column not in found.columns]
    others = [column for column in found.columns if column not in ITEM_COLUMNS]
    if missing or others or not found.columns.is_unique:
        fault = f"the columns {listed(found.columns)}"
        return f"{fault}; needed are {', '.join(NEEDED)}, allowed {', '.join(ITEM_COLUMNS)}, once"
    if found.empty:
        return "no rows"
    usable = found["reason"].isna() if "reason" in found else found["item_id"].notna() | True
    for column in NEEDED:
        rows = found if column == "item_id" else found[usable]
        for value in rows[column]:
            if not isinstance(value, str) or (column == "item_id" and not value):
                return f"{one_line(repr(value))} as a {column}, which has to be text"
    if not found["item_id"].is_unique:
        return f"the item_id {found['item_id'][found['item_id'].duplicated()].iloc[0]!r} twice"
    return None
