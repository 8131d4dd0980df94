"""What a sentence is about, and how much of the image that takes.

The *subject* of "There are no red cars parked here." is "red cars": the first noun phrase after
"There is/are" without its determiner.  Its *area* is a share of the image's pixels, from masks,
from boxes, or as CLIPSeg sees it (`clipseg.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from negtrace.data.crops import crop, parts_of
from negtrace.data.noun_phrases import subject_phrase
from negtrace.data.readers.row_files import first_fault, read_rows
from negtrace.data.readers.user_table import identifier
from negtrace.errors import InputError

SIZE_COLUMNS = ["item_id", "subject", "area", "area_above", "method", "reason"]
NO_SUBJECT = 'the sentence names no subject after "There is/are"'
NO_MASK = "there is no mask for its image"
NO_BOX = "no box is given for it"

# Of a box; x, y, width and height in the unit of the image's width and height, origin top left.
BOX_COLUMNS = ["x", "y", "width", "height", "image_width", "image_height"]
BOX_KEYS = ("item_id", "image_file")


def areas_from_masks(items: pd.DataFrame, folder: Path | str) -> pd.DataFrame:
    """Subject sizes from masks: the share of a mask's pixels that are not 0.

    Args:
        items: table ``candidates``.
        folder: holds a mask for an item, or for an image file, of the same name with the ending
            .png.

    Returns:
        the table ``subject_sizes``, one row per item; null with a reason where there is no mask.

    Raises:
        InputError: no such folder, or a mask that is no readable image; names it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of masks; check the path")
    masked = {path.stem for path in folder.glob("*.png")}
    names = [
        f"{item_id}.png" if item_id in masked else image_file
        for item_id, image_file in zip(items["item_id"], items["image_file"], strict=True)
    ]
    shares = {name: _mask_share(folder, name) for name in dict.fromkeys(names)}
    area = pd.Series(names, items.index).map(shares).astype(float)
    return subject_sizes(items, "mask", area, area, NO_MASK)


def _mask_share(folder: Path, image_file: str) -> float | None:
    file, box = parts_of(image_file)
    path = folder / Path(file).with_suffix(".png")
    try:
        with Image.open(path) as image:
            mask = image.convert("L")
            return float((np.asarray(crop(mask, box) if box else mask) > 0).mean())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: not a readable mask ({error}); replace the file") from error


def areas_from_boxes(items: pd.DataFrame, path: Path | str) -> pd.DataFrame:
    """Subject sizes from boxes: the share of the image that an item's boxes cover together.

    Args:
        items: table ``candidates``.
        path: a table of boxes; see `read_boxes`.

    Returns:
        the table ``subject_sizes``, one row per item; null with a reason where there is no box.

    Raises:
        InputError: as `read_boxes`; or no box belongs to any item.
    """
    boxes = read_boxes(path)
    key = _box_key(boxes)
    shares = {name: _covered_share(part) for name, part in boxes.groupby(key)}
    area = items[key].astype(str).map(shares).astype(float)
    if area.isna().all():
        raise InputError(
            f"{path}: no {key} of its rows is one of the dataset's (the first is "
            f"{boxes[key].iloc[0]!r}, the dataset's {items[key].iloc[0]!r}); correct the column"
        )
    return subject_sizes(items, "boxes", area, area, NO_BOX)


def read_boxes(path: Path | str) -> pd.DataFrame:
    """Read a table of boxes, in any format of `row_files`.

    Columns: item_id (or image_file, where every item of an image has the same subject), x, y
    (left, top), width, height, image_width, image_height.  An item may have several rows.  A box
    of no width or height says that the subject is absent.

    Raises:
        InputError: unreadable file, a column that is missing, a row with an empty key, a value that
            is no finite number, a negative size, or an image of another size than in an earlier
            row of the same key; names the row, the first row of data being 1.
    """
    rows = read_rows(path)
    first_fault(rows, path)
    table = rows.table
    key = _box_key(table)
    missing = [name for name in (key, *BOX_COLUMNS) if name not in table]
    if missing or table.empty:
        fault = f"has no column {missing[0]!r}" if missing else "holds no rows"
        raise InputError(
            f"{path}: {fault}; a table of boxes has {' or '.join(BOX_KEYS)}, "
            f"{', '.join(BOX_COLUMNS)}"
        )
    numbers = table[BOX_COLUMNS].apply(pd.to_numeric, errors="coerce").astype(float)
    try:
        keys = [identifier(value) or "" for value in table[key]]
    except ValueError as error:
        raise InputError(f"{path}: a {key} is {error}") from None
    boxes: pd.DataFrame = numbers.assign(**{key: keys}).reset_index(drop=True)
    image = boxes.groupby(key)[["image_width", "image_height"]].transform("first")
    checks = {
        f"has no {key}": boxes[key].str.strip() == "",
        "has a value that is no finite number": ~np.isfinite(numbers.to_numpy()).all(axis=1),
        "has a negative width or height": (boxes[["width", "height"]] < 0).any(axis=1),
        "has an image without width or height": (image <= 0).any(axis=1),
        "gives the image another size than an earlier row": (
            boxes[["image_width", "image_height"]] != image
        ).any(axis=1),
    }
    for fault, bad in checks.items():
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise InputError(
                f"{path}: row {row + 1} ({boxes[key].iloc[row]}) {fault}; correct or remove it"
            )
    return boxes


def _box_key(table: pd.DataFrame) -> str:
    """The column that says what a box belongs to; the first of `BOX_KEYS` if there are both."""
    return next((key for key in BOX_KEYS if key in table), BOX_KEYS[0])


def _covered_share(boxes: pd.DataFrame) -> float:
    """Share of one image that its boxes cover; what reaches beyond the image does not count."""
    width, height = boxes["image_width"].iloc[0], boxes["image_height"].iloc[0]
    left, right = (boxes["x"] + part for part in (0, boxes["width"]))
    top, bottom = (boxes["y"] + part for part in (0, boxes["height"]))
    across, columns = _intervals(left, right, width)
    down, rows = _intervals(top, bottom, height)
    covered = (rows.T.astype(int) @ columns) > 0
    return float(down @ covered @ across / (width * height))


def _intervals(start: pd.Series, end: pd.Series, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut one axis at every edge of a box.

    Returns:
        lengths of the pieces [pieces], and whether each box covers each piece [boxes, pieces].
    """
    starts, ends = (np.clip(edge.to_numpy(), 0, length)[:, None] for edge in (start, end))
    edges = np.unique(np.concatenate([starts, ends]))
    return np.diff(edges), (starts <= edges[:-1]) & (edges[1:] <= ends)


def subject_sizes(
    items: pd.DataFrame,
    method: str,
    area: pd.Series,
    area_above: pd.Series,
    missing: str | pd.Series,
) -> pd.DataFrame:
    """The table ``subject_sizes``.

    Args:
        items: table ``candidates``; the subject is that of the affirmative sentence.
        method: ``mask``, ``boxes`` or ``clipseg``.
        area, area_above: shares of the image, one per item; null where unknown.
        missing: why an area is null, for all items or one per item.
    """
    phrases: list[Any] = [subject_phrase(sentence) for sentence in items["affirmative"]]
    table = items[["item_id"]].assign(
        subject=phrases,
        area=area,
        area_above=area_above,
        method=method,
        reason=missing,
    )
    table["reason"] = table["reason"].where(table["area"].isna(), None)
    return table[SIZE_COLUMNS].reset_index(drop=True)
