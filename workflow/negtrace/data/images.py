"""Image files of a dataset: which there are, and whether they can be read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from negtrace.data.crops import file_of, parts_of
from negtrace.data.image_names import name_fault
from negtrace.data.items import text_frame
from negtrace.data.pictures import image_fault
from negtrace.errors import InputError
from negtrace.tables.store import sha256

FILE_COLUMNS = ["image_file", "origin", "url", "sha256", "reason"]


def naming_an_image(items: pd.DataFrame) -> pd.DataFrame:
    """The items that name an image file; `pairs.candidates` leaves the others out."""
    return items[items["image_file"].str.strip() != ""]


def image_files(items: pd.DataFrame) -> list[str]:
    """Distinct image files that the items name, sorted."""
    return sorted(naming_an_image(items)["image_file"].unique())


def file_table(
    folder: Path, names: Iterable[str], origin: str, faults: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """The table ``image_files`` of a folder; every file is opened and decoded.

    Args:
        faults: why files of some names cannot be had, where that is known.
    """
    rows = [_file_row(folder, name, origin, (faults or {}).get(name)) for name in names]
    return text_frame(rows, FILE_COLUMNS)


def _file_row(folder: Path, name: str, origin: str, fault: str | None) -> dict[str, Any]:
    fault = fault or name_fault(file_of(name)) or image_fault(folder / name)
    if fault:
        return {"image_file": name, "reason": fault}
    return {"image_file": name, "origin": origin, "sha256": sha256(folder / file_of(name))}


def whole_files(names: Iterable[str]) -> list[str]:
    """The files that image names are of or crops of, sorted."""
    return sorted({file_of(name) for name in names})


def with_crops(files: pd.DataFrame, names: Iterable[str], folder: Path) -> pd.DataFrame:
    """The table ``image_files`` of names that may be crops, from that of their files."""
    of_file = files.set_index("image_file")
    rows = []
    for name in names:
        file, box = parts_of(name)
        known: Any = of_file.loc[file].to_dict()
        row = {**known, "image_file": name}
        if box is not None and pd.isna(row["reason"]) and (fault := image_fault(folder / name)):
            row = {"image_file": name, "reason": fault}
        rows.append(row)
    return text_frame(rows, FILE_COLUMNS)


def warn_of_missing(files: pd.DataFrame) -> pd.DataFrame:
    """The table itself; the log says how many of its files cannot be had."""
    if missing := files["reason"].notna().sum():
        logging.warning("%d of %d images cannot be used; see the table", missing, len(files))
    return files


def available(image_files: pd.DataFrame) -> list[str]:
    """Names of the files that are there, sorted.

    Raises:
        InputError: none is.
    """
    there = image_files.loc[image_files["reason"].isna(), "image_file"]
    if there.empty:
        first = image_files.iloc[0] if len(image_files) else None
        shown = "no item names one" if first is None else f"{first.image_file}: {first.reason}"
        raise InputError(f"not one image of the dataset can be had; the first: {shown}")
    return sorted(there)


def check_unchanged(folder: Path, image_files: pd.DataFrame) -> None:
    """Hash every image that is there before anything is computed from it.

    Args:
        image_files: the table, with the sha256 that each file had.

    Raises:
        InputError: files are gone or have changed; names up to ten of them.
    """
    there = image_files[image_files["reason"].isna()]
    changed = [
        name
        for name, digest in zip(there["image_file"], there["sha256"], strict=True)
        if not (file := folder / file_of(name)).is_file() or sha256(file) != digest
    ]
    if changed:
        more = f" and {len(changed) - 10} more" if len(changed) > 10 else ""
        raise InputError(
            f"{folder}: {', '.join(changed[:10])}{more} changed since image_files.parquet was "
            "made; delete that table and run again"
        )
