"""CREPE (Ma et al. 2023): regions of Visual Genome's pictures with lists of foils, as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from negtrace.data.crops import box_of, cropped_name
from negtrace.data.items import item_table
from negtrace.data.readers.questions import items_of, list_in, records, unusable
from negtrace.data.readers.row_files import read_rows
from negtrace.data.readers.user_table import identifier
from negtrace.errors import InputError

READER = {
    "kind": "crepe",
    "files": {"file": {"$ref": "#/$defs/annotations"}},
    "options": {"foils": {"enum": ["atom", "comp", "combined"]}},
}

BOX = ("x", "y", "width", "height")
FOILS = "hard_negs"  # productivity; systematicity has one column of each kind of foil


def read_crepe(path: str | Path, foils: str | None = None) -> pd.DataFrame:
    """Read a file of CREPE's productivity or systematicity sets.

    Args:
        foils: which foils of a systematicity set: ``atom``, ``comp`` or ``combined``.

    Returns:
        the table ``items``: one of every foil, in one group a row, by the number of the row and of
        the foil; the image is the region, cut out of ``{image_id}.jpg``.

    Raises:
        InputError: unreadable file, no rows, a missing column, or foils that are not chosen.
    """
    rows = read_rows(path)
    column = FOILS if foils is None else f"valid_hard_negs_{foils}"
    kinds = [str(name) for name in rows.table.columns if str(name).startswith("valid_hard_negs_")]
    if foils is None and kinds:
        raise InputError(
            f"{path}: is a systematicity set; choose its foils by the key `foils`: "
            f"{', '.join(name.removeprefix('valid_hard_negs_') for name in kinds)}"
        )
    needed = ("image_id", "caption", column, *BOX)
    found = records(rows, needed, str(path))
    return item_table(row for key, cells in found for row in _items(key, cells, column))


def _items(key: str, cells: Mapping[str, Any], column: str) -> Iterator[dict[str, Any]]:
    if "fault" in cells:
        yield unusable(key, f"row {key} {cells['fault']}")
        return
    foils, box = list_in(cells[column]), box_of([cells[name] for name in BOX])
    try:
        image = identifier(cells["image_id"])
    except ValueError:
        image = None
    faults: Sequence[str] = [
        *([f"its cell {column} {foils}"] if isinstance(foils, str) else []),
        *([f"it {box}"] if isinstance(box, str) else []),
        *([] if image else ["it has no image_id"]),
    ]
    if faults or isinstance(foils, str) or isinstance(box, str):
        yield unusable(key, faults[0])
        return
    named = {str(number): foil for number, foil in enumerate(foils, start=1)}
    name = cropped_name(f"{image}.jpg", box)
    yield from items_of(key, name, {"caption": cells["caption"]}, named)
