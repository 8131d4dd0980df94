"""Image files of a dataset: which there are, and whether they can be read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from PIL import Image

from negtrace.errors import InputError
from negtrace.items import text_frame
from negtrace.store import sha256

FILE_COLUMNS = ["image_file", "origin", "url", "sha256", "reason"]


def naming_an_image(items: pd.DataFrame) -> pd.DataFrame:
    """The items that name an image file; `pairs.candidates` leaves the others out."""
    return items[items["image_file"].str.strip() != ""]


def image_files(items: pd.DataFrame) -> list[str]:
    """Distinct image files that the items name, sorted."""
    return sorted(naming_an_image(items)["image_file"].unique())


def check_images(folder: Path, items: pd.DataFrame) -> None:
    """Open and decode every image before any model is loaded.

    Raises:
        InputError: images are missing or cannot be decoded; names each of them (up to ten) with
            an item that uses it.
    """
    faults = []
    for name, users in naming_an_image(items).groupby("image_file")["item_id"]:
        fault = image_fault(folder / str(name))
        if fault:
            faults.append(f"  {name} (item {users.iloc[0]}): {fault}")
    if faults:
        more = f"\n  and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise InputError(
            f"{folder}: {len(faults)} of the dataset's images cannot be used; restore the files or "
            "remove their items from the annotations\n" + "\n".join(faults[:10]) + more
        )


def image_fault(path: Path) -> str | None:
    """What is wrong with an image file, or None."""
    try:
        with Image.open(path) as image:
            image.convert("RGB")
    except FileNotFoundError:
        return "the file is missing"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"not a readable image ({error})"
    return None


def file_table(folder: Path, names: Iterable[str], origin: str) -> pd.DataFrame:
    """The table ``image_files`` of files that are all there."""
    rows = ({"image_file": n, "origin": origin, "sha256": sha256(folder / n)} for n in names)
    return text_frame(rows, FILE_COLUMNS)


def available(image_files: pd.DataFrame) -> list[str]:
    """Names of the files that are there, sorted.

    Raises:
        InputError: none is.
    """
    there = image_files.loc[image_files["reason"].isna(), "image_file"]
    if there.empty:
        raise InputError(
            "not one image of the dataset can be had; the first: "
            f"{image_files['image_file'].iloc[0]}: {image_files['reason'].iloc[0]}"
        )
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
        row.image_file
        for row in there.itertuples()
        if not (folder / row.image_file).is_file() or sha256(folder / row.image_file) != row.sha256
    ]
    if changed:
        more = f" and {len(changed) - 10} more" if len(changed) > 10 else ""
        raise InputError(
            f"{folder}: {', '.join(changed[:10])}{more} changed since image_files.parquet was "
            "made; delete that table and run again"
        )
