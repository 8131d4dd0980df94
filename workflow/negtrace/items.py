"""Items: a dataset's images, captions and foils, whatever format they came in.

Each format has a module that reads it (`valse`, `user_table`, `hugging_face`) and returns the same
table ``items``, one row per item in the order of the source:

    item_id, image_file, caption, foil
    image_id: what other archives know the image by; null where there is no such thing
    votes_caption, votes_foil, votes_other: annotators by answer; null where none were asked
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

VOTES = ("caption", "foil", "other")
ITEM_COLUMNS = [
    *("item_id", "image_file", "image_id", "caption", "foil"),
    *(f"votes_{answer}" for answer in VOTES),
]


def item_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as the table ``items``; `image_id` and votes that a row lacks are null."""
    votes = {column: "Int32" for column in ITEM_COLUMNS if column.startswith("votes_")}
    return text_frame(rows, ITEM_COLUMNS).astype(votes)


def text_frame(rows: Iterable[Mapping[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Rows as a frame of these columns; text columns are strings even if there is no row."""
    text = {column: "str" for column in columns if not column.startswith("votes_")}
    return pd.DataFrame(list(rows), columns=columns).astype(text)
