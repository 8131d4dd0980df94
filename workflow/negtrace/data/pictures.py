"""Pictures: opened alike wherever they come from, upright and in 8-bit RGB.

What a file says about its orientation is applied.  Transparency is dropped and CMYK converted as
open_clip's own preprocessing does it.  16-bit grey is scaled to 8 bit, and so are float samples
from 0 to 1; any other depth does not say what is white, and is refused.
"""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from negtrace.data.crops import crop, parts_of
from negtrace.errors import InputError
from negtrace.messages import one_line

WHITE_16_BIT = 65535
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # of TIFF


class PictureError(ValueError):
    """What is wrong with a picture, without its name."""


def decoded(source: Path | bytes) -> Image.Image:
    """A picture from a file, the part of one (`crops.py`), or a file's content.

    Raises:
        PictureError: it is missing, is no picture, cannot be decoded to the end, or has no such
            part.
    """
    box = None
    if isinstance(source, Path):
        name, box = parts_of(source.name)
        source = source.with_name(name)
    try:
        with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as image:
            image.load()
            picture = _upright(_eight_bit(image)).convert("RGB")
            return picture if box is None else crop(picture, box)
    except FileNotFoundError:
        raise PictureError("the file is missing") from None
    except UnidentifiedImageError:
        raise PictureError("not a readable image (of no known format, or damaged)") from None
    except Exception as error:  # every decoder has its own idea of what a damaged file raises
        raise PictureError(f"not a readable image ({one_line(error)})") from error


def open_picture(path: Path | str) -> Image.Image:
    """The picture in a file.

    Raises:
        InputError: as `decoded`; names the file.
    """
    try:
        return decoded(Path(path))
    except PictureError as error:
        raise InputError(f"{path}: {error}; replace the file") from error


def image_fault(path: Path) -> str | None:
    """What is wrong with an image file, or None."""
    try:
        decoded(path)
    except PictureError as error:
        return str(error)
    return None


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF data say; data that cannot be read say nothing."""
    with suppress(Exception):
        return ImageOps.exif_transpose(image)
    return image


def _eight_bit(image: Image.Image) -> Image.Image:
    """Deep grey samples scaled to 8 bit, with the EXIF data kept; other pictures as they are."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise PictureError("its samples are floats beyond 0 to 1; save it with 8 bits")
    elif image.mode.startswith("I;16") or image.format == "PPM":  # PPM is scaled to 16 bit
        values /= WHITE_16_BIT
        if isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            values = 1 - values
    else:
        raise PictureError("its samples are 32-bit integers; save it with 8 bits")
    scaled = Image.fromarray(np.rint(values * 255).astype(np.uint8))
    scaled.getexif().update(image.getexif())
    return scaled
