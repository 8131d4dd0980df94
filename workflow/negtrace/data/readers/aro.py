"""ARO (Yuksekgonul et al. 2023): relations and attributions in regions of Visual Genome, as JSON.

Its layout on the Hugging Face hub, with pictures and a column ``bbox``, is read by the kind
``huggingface`` with the column ``crop``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from negtrace.data.crops import box_of, cropped_name
from negtrace.data.items import item_table
from negtrace.data.readers.questions import items_of, kept_paths, records, unusable
from negtrace.data.readers.row_files import read_rows

READER = {
    "kind": "aro",
    "files": {"file": {"$ref": "#/$defs/annotations"}},
    "options": {"parts": {"type": "integer", "minimum": 1}},
}

BOX = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
COLUMNS = ("image_path", "true_caption", "false_caption", *BOX)


def read_aro(path: str | Path, parts: int = 1) -> pd.DataFrame:
    """Read ``visual_genome_relation.json`` or ``visual_genome_attribution.json``.

    Args:
        parts: of the path of a picture, counted from its end, that are its name in the image
            folder.

    Returns:
        the table ``items``, by the number of the row; the image is the region.

    Raises:
        InputError: unreadable file, no rows, a missing column, or `parts` that do not tell two
            pictures apart.
    """
    found = list(records(read_rows(path), COLUMNS, str(path)))
    names = kept_paths((cells.get("image_path") for _, cells in found), parts, str(path))
    return item_table(row for key, cells in found for row in _items(key, cells, names))


def _items(
    key: str, cells: Mapping[str, Any], names: Mapping[Any, str]
) -> Iterator[dict[str, Any]]:
    if "fault" in cells:
        yield unusable(key, f"row {key} {cells['fault']}")
        return
    box = box_of([cells[name] for name in BOX])
    if isinstance(box, str):
        yield unusable(key, f"it {box}")
    elif cells["image_path"] not in names:
        yield unusable(key, "the path of its picture is no text")
    else:
        yield from items_of(
            key,
            cropped_name(names[cells["image_path"]], box),
            {"true_caption": cells["true_caption"]},
            {"false_caption": cells["false_caption"]},
        )
