"""Generated images: stand-ins for a dataset's pictures, a function of their file names and a seed.

They let a study run whose real images are not at hand; they show nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from negtrace.errors import InputError
from negtrace.store import atomic_path

SIZE = 64
PATCHES = 8


def generated_image(name: str, seed: int) -> Image.Image:
    """A picture of random colour patches for one file name."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8]))
    patches = rng.integers(0, 256, (PATCHES, PATCHES, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((SIZE, SIZE))


def generate_images(folder: Path, names: Iterable[str], seed: int) -> list[Path]:
    """Write a picture for every name, in the format of its ending; returns the files.

    Raises:
        InputError: a name without the ending of an image format.
    """
    files = []
    for name in names:
        picture = generated_image(name, seed)
        with atomic_path(folder / name) as temporary:
            try:
                picture.save(temporary)
            except ValueError as error:
                raise InputError(
                    f"{name}: its ending is not that of an image format; correct image_file in "
                    "the annotations"
                ) from error
        files.append(folder / name)
    return files
