"""Crops: names of parts of pictures, and what opens and lists them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from negtrace.data import crops, images
from negtrace.data.crops import Box
from negtrace.data.pictures import PictureError, decoded, image_fault

PIXELS = np.arange(6 * 8, dtype=np.uint8).reshape(6, 8)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "in/b#1.png"):
        Image.fromarray(np.dstack([PIXELS] * 3)).save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("file", ["a.png", "in/b#1.png", "x#xywh=1.png"])
def test_names(file):
    name = crops.cropped_name(file, Box(-1, 2, 3, 4))
    assert crops.parts_of(name) == (file, Box(-1, 2, 3, 4))
    assert crops.parts_of(file) == (file, None)
    assert crops.file_of(name) == file


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1, 2, 3, 4], Box(1, 2, 3, 4)),
        (["1", "2.0", " 3", 4.4], Box(1, 2, 3, 4)),
        ([1, 2, 3], None),
        ([1, 2, float("nan"), 4], None),
        ([1, 2, 0, 4], None),
        (["a", 2, 3, 4], None),
        (None, None),
        (7, None),
    ],
)
def test_boxes(values, found):
    box = crops.box_of(values)
    assert box == found if found else isinstance(box, str)


def test_a_crop_is_opened_as_its_part(folder):
    for file in ("a.png", "in/b#1.png"):
        found = np.asarray(decoded(folder / f"{file}#xywh=2,1,3,4"))
        assert (found[..., 0] == PIXELS[1:5, 2:5]).all()
    beyond = np.asarray(decoded(folder / "a.png#xywh=6,-1,3,3"))[..., 0]
    assert (beyond[1:, :2] == PIXELS[:2, 6:]).all()
    assert (beyond[0] == 0).all()
    assert (beyond[:, 2] == 0).all()
    for outside in ("8,0,2,2", "0,6,2,2", "-2,0,2,2"):
        with pytest.raises(PictureError, match="lies outside of its 8 x 6 pixels"):
            decoded(folder / f"a.png#xywh={outside}")
    assert image_fault(folder / "none.png#xywh=0,0,1,1") == "the file is missing"


def test_tables_of_files_with_crops(folder):
    names = ["a.png", "a.png#xywh=0,0,2,2", "a.png#xywh=9,0,2,2", "gone.png#xywh=0,0,2,2"]
    wholes = images.whole_files(names)
    assert wholes == ["a.png", "gone.png"]
    files = images.file_table(folder, wholes, "folder")
    table = images.with_crops(files, names, folder)
    pd.testing.assert_frame_equal(table, images.file_table(folder, names, "folder"))
    assert table["image_file"].tolist() == names
    assert table["reason"].notna().tolist() == [False, False, True, True]
    assert table["sha256"][0] == table["sha256"][1]
    images.check_unchanged(folder, table)
