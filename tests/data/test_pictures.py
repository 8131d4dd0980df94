"""One picture in many files gives the same pixels, or a reason."""

from __future__ import annotations

import warnings
from io import BytesIO

import datasets
import numpy as np
import pytest
from PIL import Image

from negtrace.data.archive_images import ImageArchive, fetch_images
from negtrace.data.image_embeddings import _pixels
from negtrace.data.pictures import PictureError, decoded, image_fault, open_picture
from negtrace.data.readers.hugging_face import read_hugging_face
from negtrace.errors import InputError

GREY = np.arange(0, 96, dtype=np.uint8).reshape(8, 12) * 2
TURNED = {2: np.fliplr, 3: lambda a: a[::-1, ::-1], 6: lambda a: np.rot90(a, -1), 8: np.rot90}


def saved(values: np.ndarray | Image.Image, form: str, **options) -> bytes:
    buffer = BytesIO()
    image = values if isinstance(values, Image.Image) else Image.fromarray(values)
    image.save(buffer, form, **options)
    return buffer.getvalue()


def grey(content: bytes) -> np.ndarray:
    pixels = np.asarray(decoded(content))
    assert pixels.dtype == np.uint8
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (GREY, "PNG"),
        (GREY.astype(np.uint16) * 257, "PNG"),
        (GREY.astype(np.uint16) * 257, "TIFF"),
        (GREY.astype(np.uint16) * 257, "PPM"),
        (GREY.astype(np.float32) / 255, "TIFF"),
        (Image.fromarray(GREY).convert("P"), "PNG"),
        (Image.fromarray(GREY).convert("LA"), "PNG"),
        (Image.fromarray(GREY).convert("RGBA"), "PNG"),
        (Image.fromarray(GREY).convert("RGB").convert("CMYK"), "TIFF"),
    ],
)
def test_depths_and_modes_give_the_same_pixels(values, form):
    assert (grey(saved(values, form)) == GREY).all()


def test_16_bit_pictures_whose_zero_is_white():
    content = saved(GREY.astype(np.uint16) * 257, "TIFF", tiffinfo={262: 0})
    assert (grey(content) == 255 - GREY).all()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (GREY.astype(np.float32), "floats beyond 0 to 1"),
        (GREY.astype(np.float32) / 255 - 0.1, "floats beyond 0 to 1"),
        (np.full((4, 4), np.nan, np.float32), "floats beyond 0 to 1"),
        (GREY.astype(np.int32) * 1000, "32-bit integers"),
    ],
)
def test_depths_that_do_not_say_what_is_white_have_a_reason(values, reason):
    with pytest.raises(PictureError, match=reason):
        decoded(saved(values, "TIFF"))


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("depth", [8, 16])
def test_orientation_is_applied(form, orientation, depth):
    exif = Image.Exif()
    exif[0x112] = orientation
    values = GREY if depth == 8 else GREY.astype(np.uint16) * 257
    if form == "WEBP":
        values = GREY
    options = {"lossless": True} if form == "WEBP" else {}
    content = saved(values, form, exif=exif, **options)
    assert (grey(content) == TURNED[orientation](GREY)).all()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_exif_data_that_cannot_be_read_say_nothing():
    content = saved(GREY, "JPEG", quality=100, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert grey(content).shape == GREY.shape


def test_every_source_of_pictures_turns_them_alike(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    content = saved(GREY, "JPEG", quality=95, exif=exif)
    folder, archive, hub = (tmp_path / name for name in ("folder", "archive", "hub"))
    folder.mkdir()
    (folder / "a.jpg").write_bytes(content)
    rows = {"image": [{"bytes": content, "path": None}], "caption": ["x"], "foil": ["y"]}
    made = datasets.Dataset.from_dict(rows)
    made.cast_column("image", datasets.Image()).to_parquet(tmp_path / "data" / "test.parquet")
    _, files = read_hugging_face(str(tmp_path / "data"), "test", {}, hub)
    (archive / "a.jpg").parent.mkdir()
    (archive / "a.jpg").write_bytes(content)
    items = files.assign(image_file="a.jpg", image_id=None)
    table = fetch_images(items, ImageArchive("http://127.0.0.1:9/x.zip"), archive, None)
    assert table["reason"].isna().all()
    seen = [
        np.asarray(open_picture(path))
        for path in (folder / "a.jpg", archive / "a.jpg", hub / files["image_file"][0])
    ]
    assert seen[0].shape == (12, 8, 3)
    assert (seen[0] == seen[1]).all()
    assert (seen[0] == seen[2]).all()
    assert (_pixels(folder / "a.jpg", np.asarray) == seen[0]).all()


@pytest.mark.parametrize("form", ["AVIF", "PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_damaged_pictures_have_a_reason_of_one_line(tmp_path, form):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    content = bytearray(saved(noise, form))
    path = tmp_path / "a"
    path.write_bytes(content[: len(content) // 2])
    assert image_fault(path)
    with pytest.raises(InputError, match="a: not a readable image"):
        open_picture(path)
    rng, faults = np.random.default_rng(1), 0
    for _ in range(30):
        damaged = content.copy()
        for place in rng.integers(0, len(content), 20):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fault = image_fault(path)
        faults += fault is not None
        assert fault is None or (fault.isprintable() and "0x" not in fault)
    assert faults or form in ("GIF", "TIFF", "BMP")


def test_what_is_no_file(tmp_path):
    assert image_fault(tmp_path / "none.png") == "the file is missing"
    assert "not a readable image" in image_fault(tmp_path)
    (tmp_path / "empty.png").touch()
    assert "not a readable image" in image_fault(tmp_path / "empty.png")
