"""Datasets that `datasets` reads from a folder; pictures are written once, by content."""

from __future__ import annotations

from io import BytesIO

import datasets
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from negtrace.data.readers.hugging_face import read_hugging_face
from negtrace.errors import InputError
from negtrace.tables.store import sha256

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


def test_identifiers_of_a_metadata_file_stay_what_they_are(tmp_path):
    folder = tmp_path / "data" / "train"
    folder.mkdir(parents=True)
    for shade, name in enumerate("ab"):
        (folder / f"{name}.png").write_bytes(picture(shade)["bytes"])
    lines = ["file_name,key,true,false", "a.png,007,x,y", "b.png,1234567890123456789,x,y"]
    (folder / "metadata.csv").write_text("\n".join(lines))
    items, _ = read_hugging_face(str(tmp_path / "data"), "train", COLUMNS, tmp_path / "images")
    assert items["item_id"].tolist() == ["007", "1234567890123456789"]


def test_whole_numbers_with_a_null_among_them_are_identifiers(tmp_path):
    rows = {"image": [picture(1)] * 2, "true": ["x"] * 2, "false": ["y"] * 2}
    made = datasets.Dataset.from_dict(rows | {"key": [2**60 + 1, None]})
    made = made.cast_column("image", datasets.Image())
    made.to_parquet(tmp_path / "data" / "test-00000-of-00001.parquet")
    items, _ = read_hugging_face(str(tmp_path / "data"), "test", COLUMNS, tmp_path / "images")
    assert items["item_id"].tolist() == [str(2**60 + 1), "row 2"]
    assert items["reason"].tolist()[1] == "row 2 has no id (column 'key')"


def test_null_images_and_structs_of_bytes_and_path(tmp_path):
    rows = {"image": [picture(1), None], "true": ["x"] * 2, "false": ["y"] * 2, "key": ["a", "b"]}
    (tmp_path / "data").mkdir()
    pd.DataFrame(rows).to_parquet(tmp_path / "data" / "test.parquet")
    items, files = read_hugging_face(str(tmp_path / "data"), "test", COLUMNS, tmp_path / "images")
    reasons = files.set_index("image_file")["reason"]
    assert reasons["row-2.png"] == "row 2 has no image"
    assert reasons.drop("row-2.png").isna().all()
    assert items["reason"].isna().all()


@pytest.mark.parametrize("splits", [False, True])
def test_what_save_to_disk_wrote(tmp_path, splits):
    rows = {"image": [picture(1)], "true": ["x"], "false": ["y"], "key": ["a"]}
    made = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
    whole = datasets.DatasetDict({"test": made}) if splits else made
    whole.save_to_disk(tmp_path / "data")
    items, files = read_hugging_face(str(tmp_path / "data"), "test", COLUMNS, tmp_path / "images")
    assert items["item_id"].tolist() == ["a"]
    assert files["reason"].isna().all()
    if splits:
        with pytest.raises(InputError, match="has no split 'train'; name one of test"):
            read_hugging_face(str(tmp_path / "data"), "train", COLUMNS, tmp_path / "images")


def test_a_file_in_a_pictures_place_is_not_taken_for_it(folder, tmp_path):
    images = tmp_path / "images"
    _, files = read_hugging_face(str(folder), "test", COLUMNS, images)
    name = files.loc[files["reason"].isna(), "image_file"].iloc[0]
    (images / name).write_bytes(b"mine")
    _, files = read_hugging_face(str(folder), "test", COLUMNS, images)
    assert (images / name).read_bytes() == b"mine"
    assert files["reason"].str.contains("was not written by this study").sum() > 0


def test_crops_of_a_column(tmp_path):
    """The layout of ARO on the hub."""
    rows = {
        "image": [picture(10), picture(20)],
        "true_caption": ["the cup is on the desk", "the cup is in the car"],
        "false_caption": ["the desk is on the cup", "the car is in the cup"],
        "bbox": [{"x": 1, "y": 0, "w": 2, "h": 3}, {"x": 9, "y": 0, "w": 2, "h": 3}],
    }
    made = datasets.Dataset.from_dict(rows)
    made = made.cast(datasets.Features(made.features | {"image": datasets.Image()}))
    made.to_parquet(tmp_path / "data" / "test.parquet")
    columns = {"caption": "true_caption", "foil": "false_caption", "crop": "bbox"}
    items, files = read_hugging_face(str(tmp_path / "data"), "test", columns, tmp_path / "images")
    assert items["reason"].isna().all()
    assert sorted(items["image_file"]) == files["image_file"].tolist()
    assert items["image_file"][0].endswith(".png#xywh=1,0,2,3")
    said = dict(zip(files["image_file"], files["reason"], strict=True))
    assert pd.isna(said[items["image_file"][0]])
    assert "lies outside" in said[items["image_file"][1]]
