"""Thumbnails: a dataset's pictures, small enough to lie inside the page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from negtrace.data.pictures import PictureError, decoded

SIDE, LARGE = 96, 320  # pixels of the longer side
QUALITY = 60  # of WebP, of 100


def thumbnails(folder: Path, names: Iterable[str], side: int = SIDE) -> dict[str, str]:
    """Data URIs by file name; a picture that cannot be read (any more) has none."""
    found = {}
    for name in names:
        try:
            picture = decoded(folder / name)
        except PictureError:
            continue
        picture.thumbnail((side, side))
        content = BytesIO()
        picture.save(content, "WEBP", quality=QUALITY, method=6)
        found[name] = f"data:image/webp;base64,{b64encode(content.getvalue()).decode()}"
    return found
