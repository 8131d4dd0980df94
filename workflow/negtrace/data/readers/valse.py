"""VALSE's JSON format (Parcalabescu et al. 2022): an object of items by identifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from negtrace.data.items import VOTES, item_table
from negtrace.data.readers.json_files import parse_json
from negtrace.data.readers.text_files import read_text
from negtrace.errors import InputError

READER = {
    "kind": "valse",
    "files": {"annotations": {"$ref": "#/$defs/annotations"}},
    "options": {},
}

FIELDS = ("image_file", "caption", "foil")


def read_valse(path: str | Path) -> pd.DataFrame:
    """Read a file in VALSE's JSON format: an object of items by identifier.

    Returns:
        the table ``items``; votes are the field ``mturk``, `image_id` is ``dataset_idx``.  An item
        that is no object, or has a field that is missing or of the wrong type, has a reason.

    Raises:
        InputError: unreadable file, malformed or truncated JSON, an identifier used twice, or not
            one item that can be used.
    """
    path = Path(path)
    content = parse_json(read_text(path), path)
    if not isinstance(content, dict) or not content:
        raise InputError(
            f"{path}: holds no items; VALSE's format is an object "
            '{"item id": {"image_file": …, "caption": …, "foil": …}, …}'
        )
    return item_table(_item_row(item_id, item) for item_id, item in content.items())


def _item_row(item_id: str, item: Any) -> dict[str, Any]:
    """One item's row of the items table; with the reason if its fields are not right."""
    if not isinstance(item, dict):
        return {
            "item_id": item_id,
            "reason": f"the item is {_json_type(item)}, not an object",
        }
    for field in FIELDS:
        if not isinstance(item.get(field, ""), str):
            fault = f"field {field!r} is {_json_type(item[field])}; it has to be a string"
            return {"item_id": item_id, "reason": fault}
        if field not in item:
            return {"item_id": item_id, "reason": f"the item has no field {field!r}"}
    image_id = item.get("dataset_idx")
    row = {"item_id": item_id, **{field: item[field] for field in FIELDS}}
    if isinstance(image_id, dict | list | bool):
        return row | {"reason": f"field 'dataset_idx' is {_json_type(image_id)}"}
    votes, reason = _votes(item.get("mturk"))
    return row | votes | {"image_id": None if image_id is None else str(image_id), "reason": reason}


def _votes(mturk: Any) -> tuple[dict[str, int], str | None]:
    """Annotator votes by column, none if the item has no ``mturk``; and what is wrong with them."""
    if mturk is None:
        return {}, None
    if not isinstance(mturk, dict):
        reason = f"field 'mturk' is {_json_type(mturk)}; give an object of vote counts"
        return {}, f"{reason} ({', '.join(VOTES)}), or leave it out"
    for answer in VOTES:
        # bool is a subclass of int, but true is no count
        if type(mturk.get(answer)) is not int or not 0 <= mturk[answer] < 2**31:
            return {}, f"field 'mturk' needs a whole number of votes for {answer!r}"
    return {f"votes_{answer}": mturk[answer] for answer in VOTES}, None


def _json_type(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")
