"""Readers: which function reads the items of a dataset, by its kind in the configuration.

A reader takes the path of a file and the keys of the dataset's entry, and returns the table
``items``.  One of a user's own needs no edit here: ``kind: reader`` names its file (`own_reader`).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from negtrace.data.items import item_table
from negtrace.errors import InputError
from negtrace.messages import one_line

# Module in this package and its function, by kind.
READERS = {
    "valse": ("valse", "read_valse"),
    "scenes": ("valse", "read_valse"),
    "table": ("user_table", "read_user_table"),
}
OWN = "reader"


class Reader(Protocol):
    def __call__(self, path: Path, **options: Any) -> pd.DataFrame: ...


def read_items(path: Path, entry: Mapping[str, Any]) -> pd.DataFrame:
    """Read a dataset's items.

    Args:
        path: the file of items.
        entry: the dataset's kind, and the keys of its entry that are the reader's.

    Raises:
        InputError: the file cannot be read as the kind says, or a reader of the user's cannot be
            used.
    """
    options = {key: value for key, value in entry.items() if key != "kind"}
    if entry["kind"] == OWN:
        code = Path(options.pop("code"))
        return item_table(_rows(own_reader(code), path, options, code))
    module, function = READERS[entry["kind"]]
    reader: Reader = getattr(import_module(f"negtrace.data.readers.{module}"), function)
    return reader(path, **options)


def own_reader(code: Path) -> Reader:
    """The function ``read`` of a Python file of the user's.

    Raises:
        InputError: the file cannot be imported, or has no such function.
    """
    spec = spec_from_file_location(f"negtrace_reader_{code.stem}", code)
    if spec is None or spec.loader is None:
        raise InputError(f"{code}: no Python file; a reader has the ending .py")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{code}: cannot be imported ({one_line(error)}); correct it") from error
    if not callable(getattr(module, "read", None)):
        raise InputError(f"{code}: has no function read(path, **options); add one")
    reader: Reader = module.read
    return reader


def _rows(reader: Reader, path: Path, options: Mapping[str, Any], code: Path) -> list[Any]:
    """What a reader of the user's gives, as rows with the columns that items have."""
    try:
        found = reader(path, **options)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: {code} cannot read it ({one_line(error)})") from error
    needed = {"item_id", "image_file", "caption", "foil"}
    if not isinstance(found, pd.DataFrame) or not needed <= set(found.columns):
        raise InputError(
            f"{code}: read() has to return a DataFrame with the columns "
            f"{', '.join(sorted(needed))}; correct it"
        )
    rows: list[Any] = found.to_dict("records")
    return rows
