"""VALSE's JSON format is read, broken items are left out, broken files are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from negtrace.data.items import ITEM_COLUMNS
from negtrace.data.pairs import candidates
from negtrace.data.readers.valse import read_valse
from negtrace.errors import InputError
from negtrace.tables.store import write_table

GOOD = {"image_file": "x.jpg", "caption": "There is no dog.", "foil": "There is a dog."}


def write(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "items.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_minimal_item_is_read(tmp_path):
    items = read_valse(write(tmp_path, {"a": GOOD, "b": GOOD | {"mturk": None}}))
    assert list(items["item_id"]) == ["a", "b"]
    assert list(items.columns) == ITEM_COLUMNS
    assert items["votes_caption"].isna().all()
    assert items["image_id"].isna().all()


def test_votes_and_image_id_are_read(tmp_path):
    votes = {"caption": 2, "foil": 1, "other": 0}
    items = read_valse(write(tmp_path, {"a": GOOD | {"mturk": votes, "dataset_idx": 23}}))
    row = items.iloc[0]
    assert (row["votes_caption"], row["votes_foil"], row["votes_other"]) == (2, 1, 0)
    assert row["image_id"] == "23"


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ([], "the item is a list, not an object"),
        ({k: v for k, v in GOOD.items() if k != "image_file"}, "no field 'image_file'"),
        ({k: v for k, v in GOOD.items() if k != "foil"}, "no field 'foil'"),
        (GOOD | {"caption": 7}, "field 'caption' is a number; it has to be a string"),
        (GOOD | {"image_file": None}, "field 'image_file' is null"),
        (GOOD | {"dataset_idx": [3]}, "field 'dataset_idx' is a list"),
        (GOOD | {"mturk": [3, 0, 0]}, "field 'mturk' is a list"),
        (GOOD | {"mturk": {"caption": 3, "foil": 0}}, "number of votes for 'other'"),
        (GOOD | {"mturk": {"caption": True, "foil": 0, "other": 0}}, "votes for 'caption'"),
        (GOOD | {"mturk": {"caption": -1, "foil": 0, "other": 0}}, "votes for 'caption'"),
        (GOOD | {"foil": "There is \ud83d."}, "its foil holds half a character"),
    ],
)
def test_a_bad_item_is_left_out_with_the_reason(tmp_path, item, reason):
    items = read_valse(write(tmp_path, {"a": GOOD, "b": item}))
    assert items["reason"].isna().tolist() == [True, False]
    assert reason in items["reason"][1]
    kept, rejected = candidates(items, "standard")
    assert kept["item_id"].tolist() == ["a"]
    assert rejected.to_dict("records") == [{"item_id": "b", "reason": items["reason"][1]}]
    write_table(items, tmp_path / "items.parquet", "items", {})  # every text can be stored


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "not valid JSON at line 1, column 1"),
        (json.dumps({"a": GOOD}, indent=1)[:-20], "not valid JSON at line 5.*truncated"),
        ("", "not valid JSON"),
        ([GOOD], "holds no items; VALSE's format is an object"),
        ({}, "holds no items"),
        (f'{{"a": {json.dumps(GOOD)}, "a": {json.dumps(GOOD)}}}', "'a' occurs twice"),
        ("[" * 200_000 + "]" * 200_000, "nested too deeply"),
        (f'{{"a": {"9" * 5000}}}', "too many digits"),
    ],
)
def test_bad_file_is_named(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=message) as caught:
        read_valse(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_files(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: cannot be read"):
        read_valse(tmp_path / "none.json")
    binary = tmp_path / "image.jpg"
    binary.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(InputError, match=r"image\.jpg: not valid JSON"):
        read_valse(binary)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_other_encodings(tmp_path, encoding):
    path = tmp_path / "items.json"
    content = {"é": GOOD | {"caption": "There is no café."}}
    path.write_text(json.dumps(content, ensure_ascii=False), encoding=encoding)
    items = read_valse(path)
    assert items["item_id"].tolist() == ["é"]
    assert items["caption"].tolist() == ["There is no café."]
