"""Crops: a part of a picture under a name of its own, in the syntax of W3C's media fragments.

``2407.jpg#xywh=12,40,300,200`` is the part of ``2407.jpg`` whose left upper corner is at (12, 40),
300 pixels wide and 200 high.  A crop goes by this name wherever an image file does; only what opens
or fetches a file takes the name apart.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from PIL import Image

_CROP = re.compile(r"(.+)#xywh=(-?\d+),(-?\d+),(\d+),(\d+)", re.DOTALL)


class Box(NamedTuple):
    """A part of a picture, in pixels from its left upper corner."""

    x: int
    y: int
    width: int
    height: int


def cropped_name(file: str, box: Box) -> str:
    """The name of a part of a picture."""
    return f"{file}#xywh={box.x},{box.y},{box.width},{box.height}"


def parts_of(name: str) -> tuple[str, Box | None]:
    """The file of a name, and which part of it is meant; None: all of it."""
    found = _CROP.fullmatch(name)
    if found is None:
        return name, None
    file, *numbers = found.groups()
    return file, Box(*map(int, numbers))


def file_of(name: str) -> str:
    return parts_of(name)[0]


def box_of(values: Any) -> Box | str:
    """Four numbers (text too, as in CSV files) as a box, or what is wrong with them.

    Args:
        values: x, y, width and height.
    """
    try:
        numbers = [float(value) for value in values]
        box = Box(*map(round, numbers))
    except (TypeError, ValueError, OverflowError):
        return "has a crop that is not four numbers: x, y, width, height"
    return box if box.width > 0 and box.height > 0 else "has a crop without width or height"


def crop(image: Image.Image, box: Box) -> Image.Image:
    """The part of a picture; what lies beyond its edges is black, as Pillow crops.

    Raises:
        ValueError: nothing of it lies inside.
    """
    x, y, width, height = box
    if x >= image.width or y >= image.height or x + width <= 0 or y + height <= 0:
        raise ValueError(f"the crop lies outside of its {image.width} x {image.height} pixels")
    return image.crop((x, y, x + width, y + height))
