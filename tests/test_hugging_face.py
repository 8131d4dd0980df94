"""Datasets that `datasets` reads from a folder; pictures are written once, by content."""

from __future__ import annotations

from io import BytesIO

import datasets
import numpy as np
import pytest
from PIL import Image

from negtrace.errors import InputError
from negtrace.hugging_face import read_hugging_face
from negtrace.store import sha256

COLUMNS = {"caption": "true", "foil": "false", "id": "key"}


def picture(colour: int) -> dict:
    buffer = BytesIO()
    Image.new("RGB", (4, 3), (colour, 0, 0)).save(buffer, format="PNG")
    return {"bytes": buffer.getvalue(), "path": None}


@pytest.fixture
def folder(tmp_path):
    """A local dataset of four rows: two with the same picture, one with a broken one."""
    rows = {
        "image": [picture(10), picture(20), picture(10), {"bytes": b"no picture", "path": None}],
        "true": [f"There are no things{i}." for i in range(4)],
        "false": [f"There are things{i}." for i in range(4)],
        "key": ["a", "b", "c", "d"],
    }
    made = datasets.Dataset.from_dict(rows)
    features = made.features | {"image": datasets.Image()}
    made = made.cast(datasets.Features(features))
    made.to_parquet(tmp_path / "data" / "test-00000-of-00001.parquet")
    return tmp_path / "data"


def test_items_and_pictures(folder, tmp_path):
    items, files = read_hugging_face(str(folder), "test", COLUMNS, tmp_path / "images")
    assert items["item_id"].tolist() == ["a", "b", "c", "d"]
    assert items["caption"].tolist()[1] == "There are no things1."
    assert items["image_file"].iloc[0] == items["image_file"].iloc[2]
    assert items["image_file"].nunique() == 3
    written = sorted(path.name for path in (tmp_path / "images").iterdir())
    had = files[files["reason"].isna()]
    assert had["image_file"].tolist() == written
    for row in had.itertuples():
        assert sha256(tmp_path / "images" / row.image_file) == row.sha256
    with Image.open(tmp_path / "images" / items["image_file"].iloc[1]) as image:
        assert (np.asarray(image) == [20, 0, 0]).all()
    broken = files[files["reason"].notna()]
    assert broken["image_file"].tolist() == ["row-4.png"]
    assert "row 4 cannot be decoded" in broken["reason"].iloc[0]


def test_faults_are_named(folder, tmp_path):
    with pytest.raises(InputError, match=r"holds no images; its columns are .*true"):
        read_hugging_face(str(folder), "test", COLUMNS | {"image": "true"}, tmp_path / "images")
    with pytest.raises(InputError, match="no column 'wrong' for the caption"):
        read_hugging_face(str(folder), "test", {"caption": "wrong"}, tmp_path / "images")
    with pytest.raises(InputError, match="cannot load the split 'train'"):
        read_hugging_face(str(folder), "train", COLUMNS, tmp_path / "images")
    with pytest.raises(InputError, match="cannot load the split"):
        read_hugging_face(str(tmp_path / "none"), "test", COLUMNS, tmp_path / "images")
