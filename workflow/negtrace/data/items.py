"""Items: a dataset's images, captions and foils, whatever format they came in.

Each format has a module that reads it (`valse`, `user_table`, `hugging_face`) and returns the same
table ``items``, one row per item in the order of the source:

    item_id, image_file, caption, foil
    image_id: what other archives know the image by; null where there is no such thing
    votes_caption, votes_foil, votes_other: annotators by answer; null where none were asked
    group: what items of one question share, as the several foils of a caption; null: none
    source: caption or foil, where the dataset says which is the source of its contrast; else null
    control: a sentence without negation for the negated one's place in controls; null: by rules
    reason: why the item cannot be used; null where it can.  What such an item lacks is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

VOTES = ("caption", "foil", "other")
TEXT_FIELDS = ("item_id", "image_file", "image_id", "caption", "foil")
LINKS = ("group", "source", "control")
ITEM_COLUMNS = [*TEXT_FIELDS, *(f"votes_{answer}" for answer in VOTES), *LINKS, "reason"]


def item_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as the table ``items``; what a row lacks is null, or empty if it has a reason.

    Text that no file can hold (a lone surrogate, half of a character) is a reason, too.
    """
    votes = {column: "Int32" for column in ITEM_COLUMNS if column.startswith("votes_")}
    return text_frame(map(_storable, rows), ITEM_COLUMNS).astype(votes)


def _storable(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose texts can be written as UTF-8."""
    changed = dict(row)
    if changed.get("reason"):
        changed = dict.fromkeys(("image_file", "caption", "foil"), "") | changed
    for field in (*TEXT_FIELDS, *LINKS, "reason"):
        text = changed.get(field)
        if text is None:
            continue
        changed[field] = text.encode("utf-8", "backslashreplace").decode()
        if changed[field] != text and not changed.get("reason"):
            changed["reason"] = f"its {field} holds half a character (a lone surrogate)"
    return changed


def text_frame(rows: Iterable[Mapping[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Rows as a frame of these columns; text columns are strings even if there is no row."""
    text = {column: "str" for column in columns if not column.startswith("votes_")}
    return pd.DataFrame(list(rows), columns=columns).astype(text)
