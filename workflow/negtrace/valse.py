"""VALSE's JSON format (Parcalabescu et al. 2022): an object of items by identifier."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from negtrace.errors import InputError
from negtrace.items import VOTES, item_table

TEXT_FIELDS = ("image_file", "caption", "foil")


def read_valse(path: str | Path) -> pd.DataFrame:
    """Read a file in VALSE's JSON format: an object of items by identifier.

    Returns:
        the table ``items``; votes are the field ``mturk``, `image_id` is ``dataset_idx``.

    Raises:
        InputError: unreadable file, malformed or truncated JSON, an identifier used twice, an item
            that is no object, a field that is missing or of the wrong type.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text, object_pairs_hook=_without_duplicates)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text; replace it by a JSON file") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: not valid JSON at line {error.lineno}, column {error.colno} ({error.msg}); "
            "the file may be truncated: fetch it again or correct it there"
        ) from error
    except _DuplicateKeyError as error:
        raise InputError(
            f"{path}: {error.args[0]!r} occurs twice in one object; rename or remove one"
        ) from error
    if not isinstance(content, dict) or not content:
        raise InputError(
            f"{path}: holds no items; VALSE's format is an object "
            '{"item id": {"image_file": …, "caption": …, "foil": …}, …}'
        )
    rows = [_item_row(path, item_id, item) for item_id, item in content.items()]
    return item_table(rows)


class _DuplicateKeyError(Exception):
    """A JSON object names a key twice; json would silently keep the last."""


def _without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    unique: dict[str, Any] = {}
    for key, value in members:
        if key in unique:
            raise _DuplicateKeyError(key)
        unique[key] = value
    return unique


def _item_row(path: Path, item_id: str, item: Any) -> dict[str, Any]:
    """One item's row of the items table, its fields checked."""
    where = f"{path}: item {item_id!r}"
    if not isinstance(item, dict):
        raise InputError(f"{where} is {_json_type(item)}, not an object; correct or remove it")
    for field in TEXT_FIELDS:
        if field not in item:
            raise InputError(f"{where} has no field {field!r}; add the field or remove the item")
        if not isinstance(item[field], str):
            raise InputError(
                f"{where}: field {field!r} is {_json_type(item[field])}; it has to be a string"
            )
    return {
        "item_id": item_id,
        **{field: item[field] for field in TEXT_FIELDS},
        "image_id": None if item.get("dataset_idx") is None else str(item["dataset_idx"]),
        **{f"votes_{answer}": count for answer, count in _votes(where, item).items()},
    }


def _votes(where: str, item: dict[str, Any]) -> dict[str, int | None]:
    """Annotator votes by answer; all null if the item has no (or a null) ``mturk``."""
    mturk = item.get("mturk")
    if mturk is None:
        return dict.fromkeys(VOTES)
    if not isinstance(mturk, dict):
        raise InputError(
            f"{where}: field 'mturk' is {_json_type(mturk)}; give an object of vote counts "
            f"({', '.join(VOTES)}), or leave it out"
        )
    for answer in VOTES:
        # bool is a subclass of int, but true is no count
        if type(mturk.get(answer)) is not int or not 0 <= mturk[answer] < 2**31:
            raise InputError(
                f"{where}: field 'mturk' needs a whole number of votes for {answer!r}; "
                "correct it, or leave 'mturk' out"
            )
    return {answer: mturk[answer] for answer in VOTES}


def _json_type(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")
