"""SugarCrepe (Hsieh et al. 2023): an object of captions of COCO's val2017, each with one foil."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from negtrace.data.items import item_table
from negtrace.data.readers.questions import items_of, records, unusable
from negtrace.data.readers.row_files import read_rows

READER = {
    "kind": "sugarcrepe",
    "files": {"file": {"$ref": "#/$defs/annotations"}},
    "options": {},
}

COLUMNS = ("filename", "caption", "negative_caption")


def read_sugarcrepe(path: str | Path) -> pd.DataFrame:
    """Read a file of SugarCrepe, such as ``swap_att.json``; keys may have gaps.

    Returns:
        the table ``items``, by the keys of the file.

    Raises:
        InputError: unreadable file, no rows, or a missing column.
    """
    return item_table(
        row
        for key, cells in records(read_rows(path), COLUMNS, str(path))
        for row in (
            [unusable(key, cells["fault"])]
            if "fault" in cells
            else items_of(
                key,
                cells["filename"],
                {"caption": cells["caption"]},
                {"negative_caption": cells["negative_caption"]},
            )
        )
    )
