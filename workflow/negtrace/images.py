"""Image files of a dataset: which there are, whether they can be read, stand-ins for tests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from negtrace.errors import InputError
from negtrace.store import atomic_path

GENERATED_SIZE = 64


def image_files(items: pd.DataFrame) -> list[str]:
    """Distinct image files of the items, sorted."""
    return sorted(items["image_file"].unique())


def check_images(folder: Path, items: pd.DataFrame) -> None:
    """Open and decode every image before any model is loaded.

    Raises:
        InputError: images are missing or cannot be decoded; names each of them (up to ten) with
            an item that uses it.
    """
    faults = []
    for name, users in items.groupby("image_file")["item_id"]:
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
    except (OSError, SyntaxError, ValueError) as error:
        return f"not a readable image ({error})"
    return None


def generate_images(folder: Path, names: list[str]) -> None:
    """Write a noise picture for every name that has no file yet, a function of the name alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if (folder / name).exists():
            continue
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
        noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(noise).resize((GENERATED_SIZE, GENERATED_SIZE))
        with atomic_path(folder / name) as temporary:
            picture.save(temporary)
