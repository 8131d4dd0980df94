"""Subjects of sentences, and their sizes from masks and boxes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shared_files import SHARED_VALSE

from negtrace.data.demo_world.items import sample_items, write_dataset
from negtrace.data.demo_world.scenes import subjects
from negtrace.data.demo_world.sentences import FORMS, TRAILING_PHRASES, sentence
from negtrace.data.noun_phrases import subject_phrase
from negtrace.data.subjects import (
    NO_BOX,
    NO_MASK,
    SIZE_COLUMNS,
    areas_from_boxes,
    areas_from_masks,
)
from negtrace.errors import InputError

COLUMNS = "item_id,x,y,width,height,image_width,image_height"


@pytest.fixture
def items() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "item_id": ["one", "two", "three"],
            "image_file": ["1.jpg", "2.jpg", "3.jpg"],
            "affirmative": ["There are some red cars.", "There is a dog.", "Dogs bark."],
        }
    )


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("There are no dogs.", "dogs"),
        ("There are dogs", "dogs"),
        ("there is an old TV.", "old tv"),
        ("There are 4 small red cups on the table.", "small red cups"),
        ("There are cars parked.", "cars"),
        ("There are men who seated talking to each other.", "men"),
        ("There is a person not wearing a dress.", "person"),
        ("There are no players wear red shorts.", "players"),
        ("There are no writing utensils clearly visible.", "writing utensils"),
        ("There are some closed suitcases.", "closed suitcases"),
        ("There are no visible cars here.", "visible cars"),
        ("There is a glass building shown.", "glass building"),
        ("There is a trash can.", "trash can"),
        ("There are no red-haired people's dogs.", "red-haired people's dogs"),
        ("There are cats, dogs and birds.", "cats"),
        ("There are some of his feet touching the ground.", None),
        ("There are no they.", None),
        ("There are 4.", None),
        ("There is.", None),
        ("People can be seen.", None),
        ("", None),
    ],
)
def test_subject_of_a_sentence(text, subject):
    assert subject_phrase(text) == subject


def test_every_sentence_of_the_demo_world():
    for subject in subjects():
        for form in FORMS:
            wanted = " ".join(filter(None, (subject.colour, subject.noun(form != "singular"))))
            for phrase in TRAILING_PHRASES:
                for negated in (True, False):
                    assert subject_phrase(sentence(subject, form, negated, phrase)) == wanted


@pytest.mark.skipif(not SHARED_VALSE.exists(), reason="VALSE's existence.json is not at hand")
def test_subjects_of_the_published_items():
    items = json.loads(SHARED_VALSE.read_text()).values()
    found = [(subject_phrase(item["caption"]), subject_phrase(item["foil"])) for item in items]
    assert all(caption == foil for caption, foil in found)
    named = [caption for caption, _ in found if caption]
    assert len(named) == 514
    assert len(set(named)) == 169
    assert max(len(subject.split()) for subject in named) == 3
    assert {"floor grates", "maple leaves", "round glass containers", "deer"} <= set(named)


def test_areas_of_the_demo_world_are_those_of_its_masks(tmp_path):
    write_dataset(tmp_path, 12, seed=5)
    drawn = list(sample_items(12, seed=5))
    items = pd.DataFrame(
        {
            "item_id": [item.item_id for item in drawn],
            "image_file": [item.image_file for item in drawn],
            "affirmative": [
                min(item.caption, item.foil, key=lambda s: " no " in s) for item in drawn
            ],
        }
    )
    table = areas_from_masks(items, tmp_path / "masks")
    assert table.columns.tolist() == SIZE_COLUMNS
    assert table["reason"].isna().all()
    assert set(table["method"]) == {"mask"}
    present = [item.scene.shows(item.subject) for item in drawn]
    assert (table["area"] > 0).tolist() == present
    # A thing fills at most its cell, a quarter of the picture, and at least a part of it.
    assert table.loc[present, "area"].between(0.01, 0.75).all()
    pd.testing.assert_series_equal(table["area"], table["area_above"], check_names=False)


def test_area_of_a_mask_is_its_share_of_pixels(items, tmp_path):
    pixels = np.zeros((4, 10), np.uint8)
    pixels[1, :6] = 255
    pixels[2, 0] = 1
    Image.fromarray(pixels).save(tmp_path / "1.png")
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "3.png")
    table = areas_from_masks(items, tmp_path).set_index("item_id")
    assert table.loc["one", "area"] == pytest.approx(7 / 40)
    assert table.loc["one", "subject"] == "red cars"
    assert np.isnan(table.loc["two", "area"])
    assert table.loc["two", "reason"] == NO_MASK
    assert table.loc["three", "area"] == 0
    assert table.loc[["one", "three"], ["subject", "reason"]].isna().values.tolist() == [
        [False, True],
        [True, True],
    ]


def test_broken_masks_are_refused(items, tmp_path):
    with pytest.raises(InputError, match="no such folder of masks"):
        areas_from_masks(items, tmp_path / "nowhere")
    (tmp_path / "2.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"2\.png: not a readable mask"):
        areas_from_masks(items, tmp_path)


def write_csv(folder: Path, *rows: str, columns: str = COLUMNS) -> Path:
    path = folder / "boxes.csv"
    path.write_text("\n".join([columns, *rows]) + "\n")
    return path


def test_area_of_boxes_is_that_of_their_union(items, tmp_path):
    # 4 x 4 and 4 x 4 that share 2 x 2, one inside another, one mostly beyond the image of 10 x 20.
    rows = ["one,0,0,4,4", "one,2,2,4,4", "one,1,1,1,1", "one,9,19,5,5", "two,3,3,0,5"]
    table = areas_from_boxes(items, write_csv(tmp_path, *(f"{row},10,20" for row in rows)))
    by_item = table.set_index("item_id")
    assert by_item.loc["one", "area"] == pytest.approx((16 + 16 - 4 + 1) / 200, abs=1e-15)
    assert by_item.loc["one", "area_above"] == by_item.loc["one", "area"]
    assert by_item.loc["two", "area"] == 0
    assert np.isnan(by_item.loc["three", "area"])
    assert by_item.loc["three", "reason"] == NO_BOX
    assert by_item["reason"].isna().tolist() == [True, True, False]


def test_union_agrees_with_counting_pixels(items, tmp_path):
    rng = np.random.default_rng(3)
    corners = rng.integers(0, 30, size=(25, 2))
    extents = rng.integers(1, 8, size=(25, 2))
    pixels = np.zeros((32, 32), bool)
    for (x, y), (width, height) in zip(corners, extents, strict=True):
        pixels[y : y + height, x : x + width] = True
    rows = [
        f"one,{x},{y},{width},{height},32,32"
        for (x, y), (width, height) in zip(corners, extents, strict=True)
    ]
    area = areas_from_boxes(items, write_csv(tmp_path, *rows))["area"].iloc[0]
    assert 0.3 < area < 0.9
    assert area == pytest.approx(pixels.mean(), abs=1e-12)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_formats_and_boxes_by_image(items, tmp_path, ending):
    boxes = pd.DataFrame(
        {"image_file": ["2.jpg"], "x": [1.0], "y": [1.0], "width": [2.0], "height": [5.0]}
    ).assign(image_width=10, image_height=10)
    path = tmp_path / f"boxes.{ending}"
    if ending == "csv":
        boxes.to_csv(path, index=False)
    elif ending == "jsonl":
        boxes.to_json(path, orient="records", lines=True)
    else:
        boxes.to_parquet(path)
    table = areas_from_boxes(items, path)
    assert table["area"].round(12).tolist()[1] == 0.1
    assert table["reason"].tolist()[::2] == [NO_BOX, NO_BOX]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("one,0,0,x,4,10,10", r"row 2 \(one\) has a value that is no finite number"),
        ("one,0,0,,4,10,10", r"row 2 \(one\) has a value that is no finite number"),
        ("one,0,0,inf,4,10,10", r"row 2 \(one\) has a value that is no finite number"),
        ("one,0,0,-1,4,10,10", r"row 2 \(one\) has a negative width or height"),
        ("two,0,0,4,4,0,10", r"row 2 \(two\) has an image without width or height"),
        ("one,0,0,4,4,10,11", r"row 2 \(one\) gives the image another size"),
        (" ,0,0,4,4,10,10", r"row 2 .* has no item_id"),
    ],
)
def test_bad_boxes_are_refused_by_row(items, tmp_path, row, fault):
    path = write_csv(tmp_path, "one,0,0,4,4,10,10", row)
    with pytest.raises(InputError, match=rf"boxes\.csv: {fault}"):
        areas_from_boxes(items, path)


def test_files_without_usable_boxes_are_refused(items, tmp_path):
    with pytest.raises(InputError, match="no item_id of its rows is one of the dataset's"):
        areas_from_boxes(items, write_csv(tmp_path, "four,0,0,4,4,10,10"))
    with pytest.raises(InputError, match="holds no rows"):
        areas_from_boxes(items, write_csv(tmp_path))
    shorter = write_csv(tmp_path, "one,0,0,4,4,10", columns=COLUMNS.removesuffix(",image_height"))
    with pytest.raises(InputError, match="has no column 'image_height'"):
        areas_from_boxes(items, shorter)
    with pytest.raises(InputError, match="has no column 'item_id'"):
        areas_from_boxes(items, write_csv(tmp_path, "1", columns="x"))
    with pytest.raises(InputError, match=r"boxes\.csv: cannot be read"):
        areas_from_boxes(items, tmp_path / "nowhere" / "boxes.csv")
    with pytest.raises(InputError, match="its ending must say what it is"):
        areas_from_boxes(items, tmp_path / "boxes.txt")
