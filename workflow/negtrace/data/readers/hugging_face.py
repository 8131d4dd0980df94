"""A dataset of the Hugging Face hub, or a local one in any layout that `datasets` reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import pandas as pd

from negtrace.data.images import FILE_COLUMNS, image_files, with_crops
from negtrace.data.items import text_frame
from negtrace.data.pictures import PictureError, decoded
from negtrace.data.readers.row_files import Rows
from negtrace.data.readers.user_table import FIELDS, mapped
from negtrace.errors import InputError
from negtrace.fetching.downloads import Downloads, mirror_path
from negtrace.fetching.hub import dataset_url
from negtrace.messages import listed
from negtrace.tables.store import sha256, write_bytes

# What `Dataset.save_to_disk` and `DatasetDict.save_to_disk` write into their folder.
SAVED, SAVED_SPLITS = "state.json", "dataset_dict.json"


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
    columns: Mapping[str, Any],
    folder: Path,
    *,
    subset: str | None = None,
    revision: str | None = None,
    progress: Callable[[Any], Iterable[Any]] = iter,
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
            holds no images.
    """
    where = f"{source} ({split})"
    columns = FIELDS | dict(columns)
    rows = _loaded(source, split, columns.get("id"), subset, revision)
    image_column = columns["image"]
    if not _holds_images(rows.features.get(image_column)):
        raise InputError(
            f"{where}: the column {image_column!r} holds no images; its columns are "
            f"{listed(rows.column_names)}: name the right one in the dataset's "
            "`columns`"
        )
    # Undecoded: every source's pictures are opened by the same code.
    pictures = rows.cast_column(image_column, datasets.Image(decode=False))
    images = [
        _write_picture(pictures, number, image_column, folder)
        for number in progress(range(len(rows)))
    ]
    texts = rows.remove_columns(image_column)
    table = pd.DataFrame({name: list(texts[name]) for name in texts.column_names}, dtype=object)
    table[image_column] = pd.Series([image["image_file"] for image in images], dtype=object)
    items = mapped(Rows(table, {}), columns, where)
    files = text_frame(images, FILE_COLUMNS).drop_duplicates("image_file")
    return items, with_crops(files, image_files(items), folder)


def _loaded(
    source: str, split: str, id_column: str | None, subset: str | None, revision: str | None
) -> datasets.Dataset:
    """The rows of a split; numbers in the column of identifiers as the text that was written."""

    def load(**options: Any) -> datasets.Dataset:
        return datasets.load_dataset(source, name=subset, revision=revision, split=split, **options)

    try:
        if saved := _saved(Path(source), split):
            return saved
        rows = load()
    except InputError:
        raise
    except Exception as error:  # whatever a builder raises for files that are not as it expects
        raise InputError(
            f"{source}: `datasets` cannot load the split {split!r} ({error}); check the name, the "
            "split and the network, or name a local folder"
        ) from error
    kept = rows.features.get(id_column) if id_column else None
    if isinstance(kept, datasets.Value) and kept.dtype.startswith(("int", "uint", "float")):
        # Text files are read again: "007" is not 7.
        features = datasets.Features(rows.features | {id_column: datasets.Value("string")})
        try:
            return load(features=features)
        except Exception:  # formats that hold numbers refuse; they have lost nothing
            return rows
    return rows


def _saved(folder: Path, split: str) -> datasets.Dataset | None:
    """The split of a dataset that `save_to_disk` wrote; None if the folder is another one.

    Raises:
        InputError: it has no such split.
    """
    if (folder / SAVED).is_file():
        rows = datasets.load_from_disk(str(folder))
        splits = {str(rows.split or split): rows}
    elif (folder / SAVED_SPLITS).is_file():
        splits = datasets.load_from_disk(str(folder))
    else:
        return None
    if split not in splits:
        raise InputError(f"{folder}: has no split {split!r}; name one of {listed(list(splits))}")
    return splits[split]


def _holds_images(feature: Any) -> bool:
    """Whether a column holds pictures, as `datasets` or pandas stores them."""
    stored = isinstance(feature, Mapping) and {"bytes", "path"} == set(feature)
    return stored or isinstance(feature, datasets.Image)


def _write_picture(
    rows: datasets.Dataset, number: int, column: str, folder: Path
) -> dict[str, str | None]:
    """A row of ``image_files``; equal pictures share a file."""
    broken: dict[str, str | None] = {"image_file": f"row-{number + 1}.png"}
    try:
        stored = rows[number][column]
        if stored is None or (stored["bytes"] is None and not stored["path"]):
            return broken | {"reason": f"row {number + 1} has no image"}
        picture = decoded(Path(stored["path"]) if stored["bytes"] is None else stored["bytes"])
    except PictureError as error:
        return broken | {"reason": f"row {number + 1} cannot be decoded: {error}"}
    buffer = BytesIO()
    picture.save(buffer, format="PNG")
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    path = folder / f"{digest[:16]}.png"
    if not path.exists():
        write_bytes(buffer.getvalue(), path)
    elif sha256(path) != digest:
        return broken | {"reason": f"{path}: was not written by this study; move it away"}
    return {"image_file": path.name, "origin": "hub", "sha256": digest}
