"""A user's own table of items: CSV, JSON lines or Parquet, its columns mapped by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from negtrace.errors import InputError
from negtrace.items import item_table

# What the columns of a table are called if its configuration names no others.
FIELDS = {"image": "image", "caption": "caption", "foil": "foil"}
ITEM_FIELDS = {"image": "image_file", "caption": "caption", "foil": "foil", "id": "item_id"}

READERS = {
    ".csv": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False),
    ".jsonl": lambda path: pd.read_json(path, lines=True, dtype=False),
    ".parquet": pd.read_parquet,
}


def read_user_table(path: str | Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Read a table of items.

    Args:
        path: its ending says which format it is in.
        columns: the table's column for ``image``, ``caption`` and ``foil`` (default: columns of
            these names) and for ``id`` (default: rows are numbered from 1).

    Returns:
        the table ``items``, without votes.

    Raises:
        InputError: unreadable file, a column that is missing, a cell that is no text, an
            identifier that is empty or used twice; names the row, the first row of data being 1.
    """
    return mapped(read_rows(path), columns, str(path))


def read_rows(path: str | Path) -> pd.DataFrame:
    """A table of a user's, as it is in the file.

    Raises:
        InputError: its ending is none of `READERS`, or it cannot be read.
    """
    path = Path(path)
    if path.suffix not in READERS:
        raise InputError(
            f"{path}: its ending must say what it is: {', '.join(READERS)}; rename or convert it"
        )
    try:
        return READERS[path.suffix](path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); check the path and the file") from None


def mapped(table: pd.DataFrame, columns: Mapping[str, str], where: str) -> pd.DataFrame:
    """The table ``items`` from columns of other names; see `read_user_table`."""
    columns = FIELDS | dict(columns)
    if table.empty:
        raise InputError(f"{where}: holds no rows")
    for field, column in columns.items():
        if column not in table:
            raise InputError(
                f"{where}: has no column {column!r} for the {field}; its columns are "
                f"{', '.join(map(str, table.columns))}: name one of them in the dataset's `columns`"
            )
    found = pd.DataFrame({ITEM_FIELDS[field]: table[name] for field, name in columns.items()})
    if "id" in columns:
        found["item_id"] = [
            value if isinstance(value, str) else str(value) for value in found["item_id"]
        ]
    else:
        found["item_id"] = [str(number) for number in range(1, len(found) + 1)]
    for field, column in columns.items():
        for number, value in enumerate(found[ITEM_FIELDS[field]], start=1):
            if not isinstance(value, str) or (field == "id" and not value.strip()):
                raise InputError(
                    f"{where}: row {number} has {value!r} as its {field} (column {column!r}); "
                    "give it a text or remove the row"
                )
    twice = found.loc[found["item_id"].duplicated(), "item_id"]
    if len(twice):
        raise InputError(
            f"{where}: the id {twice.iloc[0]!r} occurs twice (row {twice.index[0] + 1}); "
            "rename or remove one"
        )
    return item_table(found.to_dict("records"))
