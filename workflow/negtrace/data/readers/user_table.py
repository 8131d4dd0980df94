"""A user's own table of items, its columns mapped by name."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from numbers import Number
from pathlib import Path
from typing import Any

import pandas as pd

from negtrace.data.items import item_table
from negtrace.data.readers.row_files import Rows, read_rows
from negtrace.errors import InputError
from negtrace.messages import listed

READER = {
    "kind": "table",
    "files": {"file": {"type": "string"}},
    "options": {
        "columns": {"$ref": "#/$defs/columns"},
        "separator": {"type": "string", "minLength": 1, "maxLength": 1},
        "encoding": {"type": "string", "minLength": 1},
    },
}

# What the columns of a table are called if its configuration names no others.
FIELDS = {"image": "image", "caption": "caption", "foil": "foil"}
ITEM_FIELDS = {"image": "image_file", "caption": "caption", "foil": "foil"}

EXACT_FLOAT = 2**53  # whole numbers beyond have lost digits


def read_user_table(
    path: str | Path,
    columns: Mapping[str, str] | None = None,
    separator: str | None = None,
    encoding: str | None = None,
) -> pd.DataFrame:
    """Read a table of items.

    Args:
        path: its ending says which format it is in.
        columns: the table's column for ``image``, ``caption`` and ``foil`` (default: columns of
            these names) and for ``id`` (default: the keys of a JSON object, else rows are numbered
            from 1).
        separator, encoding: of a text file; found if they are not given.

    Returns:
        the table ``items``, without votes.  A row that does not fit the header, has no id or a
        cell that is no text has a reason, which calls the first row of data row 1.

    Raises:
        InputError: unreadable file, a column that is missing or there twice, an identifier used
            twice, or pictures inside the table.
    """
    return mapped(read_rows(path, separator, encoding), columns or {}, str(path))


def mapped(rows: Rows, columns: Mapping[str, str], where: str) -> pd.DataFrame:
    """The table ``items`` from columns of other names; see `read_user_table`."""
    columns = FIELDS | dict(columns)
    names = list(rows.table.columns)
    if rows.table.empty:
        raise InputError(f"{where}: holds no rows")
    for field, column in columns.items():
        if names.count(column) != 1:
            fault = f"{names.count(column)} columns" if column in names else "no column"
            raise InputError(
                f"{where}: has {fault} {column!r} for the {field}; its columns are "
                f"{listed(names)}: name one of them in the dataset's "
                "`columns`"
            )
    _check_pictures(rows.table[columns["image"]], columns["image"], where)
    cells = {field: rows.table[column].tolist() for field, column in columns.items()}
    found = [
        _item_row(row, {field: cells[field][row] for field in cells}, columns, rows)
        for row in range(len(rows.table))
    ]
    _check_ids([row["item_id"] for row in found], where)
    return item_table(found)


def identifier(value: Any) -> str | None:
    """A cell as an identifier: text as it is, whole numbers with all their digits.

    Returns:
        None for an empty cell.

    Raises:
        ValueError: it is neither text nor a number, or a float that has lost digits.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value if value.strip() else None
    if not isinstance(value, Number) or isinstance(value, bool):
        raise ValueError("which is neither text nor a number")
    if isinstance(value, float) and value.is_integer():
        if abs(value) >= EXACT_FLOAT:
            raise ValueError("a float that has lost digits; store ids as text")
        return str(int(value))
    return str(value)


def _item_row(
    row: int, cells: Mapping[str, Any], columns: Mapping[str, str], rows: Rows
) -> dict[str, str]:
    """One row of the items table; with the reason if it is not right."""
    name = f"row {row + 1}"
    fault = rows.faults.get(row)
    item_id = rows.keys[row] if rows.keys else str(row + 1)
    if "id" in cells:
        item_id = name
        try:
            item_id = identifier(cells["id"]) or name
            if item_id == name and not fault:
                fault = f"has no id (column {columns['id']!r})"
        except ValueError as error:
            fault = fault or f"has {reprlib.repr(cells['id'])} as its id, {error}"
    found = {"item_id": item_id}
    for field, item_field in ITEM_FIELDS.items():
        if not isinstance(cells[field], str):
            shown = f"{reprlib.repr(cells[field])} as its {field} (column {columns[field]!r})"
            fault = fault or f"has {shown}, which is no text"
        else:
            found[item_field] = cells[field]
    return found | ({"reason": f"{name} {fault}"} if fault else {})


def _check_ids(ids: list[str], where: str) -> None:
    """No identifier is used twice."""
    seen: dict[str, int] = {}
    for row, item_id in enumerate(ids, start=1):
        if item_id in seen:
            raise InputError(
                f"{where}: the id {item_id!r} occurs twice (rows {seen[item_id]} and {row}); "
                "rename or remove one"
            )
        seen[item_id] = row


def _check_pictures(images: pd.Series, column: str, where: str) -> None:
    """The image column names files; pictures in it are read by another kind of dataset."""
    if any(isinstance(image, bytes | dict) for image in images):
        raise InputError(
            f"{where}: the column {column!r} holds pictures, not names of files; put the file into "
            "a folder of its own and use {kind: huggingface, source: the folder, split: train}"
        )
