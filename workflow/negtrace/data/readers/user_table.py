"""A user's own table of items, its columns mapped by name."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from numbers import Number
from pathlib import Path
from typing import Any

import pandas as pd

from negtrace.data.crops import box_of, cropped_name
from negtrace.data.items import item_table
from negtrace.data.readers.questions import items_of, list_in
from negtrace.data.readers.row_files import Rows, read_rows
from negtrace.errors import InputError
from negtrace.messages import listed

READER = {
    "kind": "table",
    "files": {"file": {"$ref": "#/$defs/annotations"}},
    "options": {
        "columns": {"$ref": "#/$defs/columns"},
        "separator": {"type": "string", "minLength": 1, "maxLength": 1},
        "encoding": {"type": "string", "minLength": 1},
    },
}

# What the columns of a table are called if its configuration names no others.
FIELDS = {"image": "image", "caption": "caption", "foil": "foil"}
# Fields that several columns may hold together.
SEVERAL = ("foil", "crop")
CROP_KEYS = (("x", "y", "w", "h"), ("x", "y", "width", "height"))

EXACT_FLOAT = 2**53  # whole numbers beyond have lost digits


def read_user_table(
    path: str | Path,
    columns: Mapping[str, Any] | None = None,
    separator: str | None = None,
    encoding: str | None = None,
) -> pd.DataFrame:
    """Read a table of items.

    Args:
        path: its ending says which format it is in.
        columns: the table's column for ``image``, ``caption`` and ``foil`` (default: columns of
            these names); for ``id`` (default: the keys of a JSON object, else rows are numbered
            from 1); for ``source`` (caption or foil); and for ``crop``.  The foil may be in several
            columns, or a list of sentences in one; a crop is x, y, width, height in four columns or
            in one.
        separator, encoding: of a text file; found if they are not given.

    Returns:
        the table ``items``, without votes: as many items as foils, in one group, where a row has
        several.  A row that does not fit the header, has no id or a cell that is no text has a
        reason, which calls the first row of data row 1.

    Raises:
        InputError: unreadable file, a column that is missing or there twice, an identifier used
            twice, or pictures inside the table.
    """
    return mapped(read_rows(path, separator, encoding), columns or {}, str(path))


def mapped(rows: Rows, columns: Mapping[str, Any], where: str) -> pd.DataFrame:
    """The table ``items`` from columns of other names; see `read_user_table`."""
    columns = FIELDS | dict(columns)
    names = list(rows.table.columns)
    if rows.table.empty:
        raise InputError(f"{where}: holds no rows")
    named = [(field, column) for field, given in columns.items() for column in _names(given)]
    for field, column in named:
        if names.count(column) != 1:
            fault = f"{names.count(column)} columns" if column in names else "no column"
            raise InputError(
                f"{where}: has {fault} {column!r} for the {field}; its columns are "
                f"{listed(names)}: name one of them in the dataset's "
                "`columns`"
            )
    image: str = columns["image"]
    _check_pictures(rows.table[image], image, where)
    cells = {column: rows.table[column].tolist() for _, column in named}
    ids: list[str] = []
    found: list[dict[str, Any]] = []
    for row in range(len(rows.table)):
        of_row = {
            field: {column: cells[column][row] for column in _names(given)}
            for field, given in columns.items()
        }
        made = _item_rows(row, of_row, rows)
        ids.append(made[0].get("group") or made[0]["item_id"])
        found += made
    _check_ids(ids, where)
    return item_table(found)


def _names(column: Any) -> list[str]:
    """The columns of a field, whether it has one or several."""
    return [column] if isinstance(column, str) else list(column)


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


def _item_rows(
    row: int, cells: Mapping[str, Mapping[str, Any]], rows: Rows
) -> list[dict[str, Any]]:
    """The items of one row; with the reason if they are not right.

    Args:
        cells: by field and column.
    """
    name = f"row {row + 1}"
    fault = rows.faults.get(row)
    item_id = rows.keys[row] if rows.keys else str(row + 1)
    if "id" in cells:
        item_id = name
        ((column, value),) = cells["id"].items()
        try:
            item_id = identifier(value) or name
            if item_id == name and not fault:
                fault = f"has no id (column {column!r})"
        except ValueError as error:
            fault = fault or f"has {reprlib.repr(value)} as its id, {error}"
    foils, list_fault = _foils(cells["foil"])
    fault = fault or list_fault
    texts = {field: next(iter(cells[field].items())) for field in ("image", "caption")}
    texts |= {"foil": next(iter(foils.items()))} if len(foils) == 1 else {}
    for field, (column, value) in texts.items():
        if not isinstance(value, str):
            shown = f"{reprlib.repr(value)} as its {field} (column {column!r})"
            fault = fault or f"has {shown}, which is no text"
    image = texts["image"][1]
    if "crop" in cells and isinstance(image, str):
        box = box_of(_crop(list(cells["crop"].values())))
        fault = fault or (box if isinstance(box, str) else None)
        image = image if isinstance(box, str) else cropped_name(image, box)
    source = next(iter(cells["source"].values())) if "source" in cells else None
    made = items_of(
        item_id,
        image if isinstance(image, str) else None,
        {"caption": texts["caption"][1]},
        foils,
        f"{name} {fault}" if fault else None,
    )
    return [item | ({"source": source} if isinstance(source, str) else {}) for item in made]


def _foils(cells: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Foils by name (of their columns, and numbers where a cell holds a list), and a fault."""
    found: dict[str, Any] = {}
    fault = None
    for column, value in cells.items():
        written = isinstance(value, str) and value.strip()[:1] + value.strip()[-1:] == "[]"
        if not written and not isinstance(value, list | tuple):
            found[column] = value
            continue
        several = list_in(value)
        if isinstance(several, str):
            fault, several = fault or f"{several} as its foil (column {column!r})", [""]
        lead = f"{column}:" if len(cells) > 1 else ""
        found |= {f"{lead}{number}": text for number, text in enumerate(several, start=1)}
    return found, fault


def _crop(values: list[Any]) -> Any:
    """x, y, width and height, from four columns, or from one that holds them all."""
    (value,) = values if len(values) == 1 else (values,)
    if isinstance(value, Mapping):
        keys = next((keys for keys in CROP_KEYS if set(keys) <= set(value)), ())
        return [value[key] for key in keys]
    return value


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
