"""A dataset of the Hugging Face hub, or a local one in any layout that `datasets` reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import pandas as pd

from negtrace.downloads import Downloads, mirror_path
from negtrace.errors import InputError
from negtrace.hub import dataset_url
from negtrace.images import FILE_COLUMNS
from negtrace.items import text_frame
from negtrace.store import write_bytes
from negtrace.user_table import FIELDS, mapped


def located(source: str, downloads: Downloads) -> str:
    """Where to load a dataset from: its folder, or that in the mirror, or the hub.

    Raises:
        InputError: it is in neither folder and there is no network.
    """
    if Path(source).is_dir():
        return source
    mirrored = downloads.mirror and mirror_path(dataset_url(source), downloads.mirror)
    if mirrored and mirrored.is_dir():
        return str(mirrored)
    if downloads.offline:
        remedy = (
            f"put the repository's files into {mirrored}" if mirrored else "set downloads.mirror"
        )
        raise InputError(f"the dataset {source} cannot be had: offline; {remedy}")
    return source


def read_hugging_face(
    source: str,
    split: str,
    columns: Mapping[str, str],
    folder: Path,
    *,
    subset: str | None = None,
    revision: str | None = None,
    progress: Callable[[Any], Iterator] = iter,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a split and write its pictures as PNG files named by their content.

    Args:
        source: ``owner/name`` on the hub, or a local folder.
        columns: as in `user_table.read_user_table`; the image column has to hold images.
        folder: for the pictures.
        subset: which of the dataset's configurations.
        revision: branch, tag or commit on the hub.

    Returns:
        the tables ``items`` and ``image_files``; a picture that cannot be decoded is a row of the
        latter with the reason, under the name ``row-N.png``.

    Raises:
        InputError: the dataset cannot be had, or lacks the split or a column, or the image column
            holds no images, or a cell is empty.
    """
    where = f"{source} ({split})"
    try:
        rows = datasets.load_dataset(source, name=subset, revision=revision, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise InputError(
            f"{source}: `datasets` cannot load the split {split!r} ({error}); check the name, the "
            "split and the network, or name a local folder"
        ) from error
    columns = FIELDS | dict(columns)
    image_column = columns["image"]
    if not isinstance(rows.features.get(image_column), datasets.Image):
        raise InputError(
            f"{where}: the column {image_column!r} holds no images; its columns are "
            f"{', '.join(rows.column_names)}: name the right one in the dataset's `columns`"
        )
    texts = rows.remove_columns(image_column).to_pandas()
    images = [
        _write_picture(rows, number, image_column, folder) for number in progress(range(len(rows)))
    ]
    texts[image_column] = [image["image_file"] for image in images]
    items = mapped(texts, columns, where)
    files = text_frame(images, FILE_COLUMNS).drop_duplicates("image_file")
    return items, files.sort_values("image_file", ignore_index=True)


def _write_picture(
    rows: datasets.Dataset, number: int, column: str, folder: Path
) -> dict[str, str | None]:
    """A row of ``image_files``; equal pictures share a file."""
    try:
        picture = rows[number][column].convert("RGB")
    except Exception as error:  # whatever the decoder of a broken picture raises
        reason = f"row {number + 1} cannot be decoded: {error}"
        return {"image_file": f"row-{number + 1}.png", "reason": reason}
    buffer = BytesIO()
    picture.save(buffer, format="PNG")
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    name = f"{digest[:16]}.png"
    if not (folder / name).exists():
        write_bytes(buffer.getvalue(), folder / name)
    return {"image_file": name, "origin": "hub", "sha256": digest}
