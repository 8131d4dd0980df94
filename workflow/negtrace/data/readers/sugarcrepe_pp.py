"""SugarCrepe++ (Dumpala et al. 2024): two captions of one meaning and a foil for each picture."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

from negtrace.data.items import item_table
from negtrace.data.readers.questions import items_of, records, unusable
from negtrace.data.readers.row_files import read_rows
from negtrace.data.readers.user_table import identifier

READER = {
    "kind": "sugarcrepe_pp",
    "files": {"file": {"$ref": "#/$defs/annotations"}},
    "options": {},
}

COLUMNS = ("id", "filename", "caption", "caption2", "negative_caption")


def read_sugarcrepe_pp(path: str | Path) -> pd.DataFrame:
    """Read a file of SugarCrepe++, such as ``swap_obj.json``.

    Returns:
        the table ``items``: two of each row, each caption with the foil, in one group.  Rows go by
        their ``id``, or by their number where ids repeat.

    Raises:
        InputError: unreadable file, no rows, or a missing column.
    """
    rows = list(records(read_rows(path), COLUMNS, str(path)))
    ids = [identifier(cells.get("id")) or f"row {key}" for key, cells in rows]
    repeated = {name for name, count in Counter(ids).items() if count > 1}
    found = []
    for (key, cells), name in zip(rows, ids, strict=True):
        question = f"{name} (row {key})" if name in repeated else name
        if "fault" in cells:
            found.append(unusable(question, cells["fault"]))
            continue
        captions = {name: cells[name] for name in ("caption", "caption2")}
        foils = {"negative_caption": cells["negative_caption"]}
        found += items_of(question, cells["filename"], captions, foils)
    return item_table(found)
