"""Tables of items: columns by name, ids as they are, rows that are no items left out by name."""

from __future__ import annotations

import json
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negtrace.data.items import ITEM_COLUMNS
from negtrace.data.readers.user_table import identifier, read_user_table
from negtrace.errors import InputError

TABLE = pd.DataFrame(
    {
        "picture": ["1.png", "2.png"],
        "true": ["There is no dog.", "There are 7 cats."],
        "false": ["There is a dog.", "There are no cats."],
        "key": ["007", "8"],
    }
)
COLUMNS = {"image": "picture", "caption": "true", "foil": "false"}
WRITERS = {
    "csv": lambda table, path: table.to_csv(path, index=False),
    "jsonl": lambda table, path: table.to_json(path, orient="records", lines=True),
    "parquet": lambda table, path: table.to_parquet(path),
}


@pytest.mark.parametrize("ending", WRITERS)
def test_formats_give_the_same_items(tmp_path, ending):
    path = tmp_path / f"items.{ending}"
    WRITERS[ending](TABLE, path)
    items = read_user_table(path, COLUMNS | {"id": "key"})
    assert list(items.columns) == ITEM_COLUMNS
    assert items["item_id"].tolist() == ["007", "8"]
    assert items["image_file"].tolist() == ["1.png", "2.png"]
    assert items["caption"].tolist() == TABLE["true"].tolist()
    assert items["foil"].tolist() == TABLE["false"].tolist()
    assert items["votes_caption"].isna().all()
    assert read_user_table(path, COLUMNS)["item_id"].tolist() == ["1", "2"]


def test_columns_of_the_usual_names_need_no_mapping(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text('image,caption,foil\nx.jpg,"There is no car, sir.",There is a car.\n')
    assert read_user_table(path, {})["caption"].tolist() == ["There is no car, sir."]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.rename(columns={"true": "good"}),
            "no column 'true' for the caption; its .*good",
        ),
        (lambda t: t.assign(key=["8", "8"]), r"the id '8' occurs twice \(rows 1 and 2\)"),
        (lambda t: t.iloc[:0], "holds no rows"),
    ],
)
def test_faults_are_named(tmp_path, change, message):
    path = tmp_path / "items.csv"
    change(TABLE).to_csv(path, index=False)
    with pytest.raises(InputError, match=message) as caught:
        read_user_table(path, COLUMNS | {"id": "key"})
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_cell_that_is_no_text_leaves_its_row_out(tmp_path, ending):
    path = tmp_path / f"items.{ending}"
    WRITERS[ending](TABLE.assign(true=["There is no dog.", None]), path)
    items = read_user_table(path, COLUMNS)
    assert items["reason"].isna().tolist() == [True, False]
    assert items["reason"][1] == ("row 2 has None as its caption (column 'true'), which is no text")
    WRITERS[ending](TABLE.assign(picture=[1, 2]), path)
    assert "row 1 has 1 as its image" in read_user_table(path, COLUMNS)["reason"][0]


@pytest.mark.parametrize("ending", WRITERS)
def test_an_empty_id_is_named(tmp_path, ending):
    path = tmp_path / f"items.{ending}"
    WRITERS[ending](TABLE.assign(key=["8", ""]), path)
    items = read_user_table(path, COLUMNS | {"id": "key"})
    assert items["item_id"].tolist() == ["8", "row 2"]
    assert items["reason"][1] == "row 2 has no id (column 'key')"


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_whole_numbers_as_ids_keep_their_digits_beside_a_null(tmp_path, ending):
    path = tmp_path / f"items.{ending}"
    keys = [1234567890123456789, None]
    if ending == "jsonl":
        records = TABLE.assign(key=pd.Series(keys, dtype=object)).to_dict("records")
        path.write_text("\n".join(map(json.dumps, records)))
    else:
        pq.write_table(pa.table({**TABLE.to_dict("list"), "key": keys}), path)
    items = read_user_table(path, COLUMNS | {"id": "key"})
    assert items["item_id"].tolist() == ["1234567890123456789", "row 2"]
    assert "has no id" in items["reason"][1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("007", "007"),
        (7, "7"),
        (7.0, "7"),
        (2.5, "2.5"),
        (Decimal("1.10"), "1.10"),
        (None, None),
        (float("nan"), None),
        ("  ", None),
    ],
)
def test_identifiers_stay_what_they_are(value, text):
    assert identifier(value) == text


@pytest.mark.parametrize("value", [1e19, 2.0**53, True, [1], {}, b"7", float("inf")])
def test_what_is_no_identifier(value):
    if value == float("inf"):
        assert identifier(value) == "inf"
        return
    with pytest.raises(ValueError, match=r"digits|neither"):
        identifier(value)


def test_keys_of_a_json_object_are_the_ids(tmp_path):
    path = tmp_path / "items.json"
    records = TABLE.to_dict("records")
    path.write_text(json.dumps({"0": records[0], "12": records[1]}))
    assert read_user_table(path, COLUMNS)["item_id"].tolist() == ["0", "12"]
    path.write_text(json.dumps(records))
    assert read_user_table(path, COLUMNS)["item_id"].tolist() == ["1", "2"]


def test_pandas_indices_play_no_part(tmp_path):
    path = tmp_path / "items.parquet"
    TABLE.assign(key=["8", "8"]).set_index(pd.Index(["x", "x"], name="name")).to_parquet(path)
    with pytest.raises(InputError, match=r"the id '8' occurs twice \(rows 1 and 2\)"):
        read_user_table(path, COLUMNS | {"id": "key"})
    absent = pa.Table.from_pandas(TABLE.set_index("key"))
    pq.write_table(absent.drop_columns("key"), path)  # its metadata still name the index
    assert len(read_user_table(path, COLUMNS)) == 2


def test_pictures_in_a_table_are_refused_with_what_reads_them(tmp_path):
    path = tmp_path / "items.parquet"
    stored = [{"bytes": b"\x89PNG" * 1000, "path": None}] * 2
    TABLE.assign(picture=stored).to_parquet(path)
    with pytest.raises(InputError, match=r"'picture' holds pictures.*kind: huggingface") as caught:
        read_user_table(path, COLUMNS)
    assert len(str(caught.value)) < 400


def test_a_column_that_is_there_twice(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("image,caption,caption,foil\na,b,c,d\n")
    with pytest.raises(InputError, match="has 2 columns 'caption'"):
        read_user_table(path, {})


def test_many_columns_are_not_all_listed(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text(",".join(f"c{i}" for i in range(500)) + "\n" + "," * 499 + "\n")
    with pytest.raises(InputError, match="c9 and 490 more: name one") as caught:
        read_user_table(path, {})
    assert "c10" not in str(caught.value)


def test_several_columns_of_foils_are_one_group(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("image,caption,a,b\nx.jpg,A cup.,A car.,A cap.\ny.jpg,A cup.,,A cap.\n")
    items = read_user_table(path, {"foil": ["a", "b"]})
    assert items["item_id"].tolist() == ["1:a", "1:b", "2:a", "2:b"]
    assert items["group"].tolist() == ["1", "1", "2", "2"]
    assert items["foil"].tolist() == ["A car.", "A cap.", "", "A cap."]


LISTS = {
    "csv": 'image,caption,foil\nx.jpg,A cup.,"[\'A car.\', ""A cat\'s cup.""]"\n'
    "y.jpg,A cup.,A cap.\n",
    "json": '[{"image": "x.jpg", "caption": "A cup.", "foil": ["A car.", "A cat\'s cup."]},'
    ' {"image": "y.jpg", "caption": "A cup.", "foil": "A cap."}]',
}


@pytest.mark.parametrize("ending", LISTS)
def test_a_list_of_foils_is_one_group(tmp_path, ending):
    path = tmp_path / f"items.{ending}"
    path.write_text(LISTS[ending])
    items = read_user_table(path)
    assert items["item_id"].tolist() == ["1:1", "1:2", "2"]
    assert items["foil"].tolist() == ["A car.", "A cat's cup.", "A cap."]
    assert items["group"].fillna("").tolist() == ["1", "1", ""]


@pytest.mark.parametrize(
    "cell",
    ["[]", "['a', 3]", "[print('x')]", "['a'" + "," * 100_000 + "]", "[" * 500 + "]" * 500, "[x]"],
)
def test_what_is_no_list_of_sentences_leaves_its_row_out(tmp_path, cell):
    rows = [{"image": "x.jpg", "caption": "A cup.", "foil": cell}]
    (tmp_path / "items.json").write_text(json.dumps(rows))
    (reason,) = read_user_table(tmp_path / "items.json")["reason"]
    assert reason.startswith("row 1 holds ")
    assert reason.endswith("as its foil (column 'foil')")


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"bbox": {"x": 1, "y": 2, "w": 3, "h": 4}}, "bbox"),
        ({"bbox": [1, 2, 3, 4]}, "bbox"),
        ({"l": 1, "t": "2", "w": 3.0, "h": 4}, ["l", "t", "w", "h"]),
    ],
)
def test_a_crop_is_part_of_the_pictures_name(tmp_path, row, column):
    text = {"image": "x.jpg", "caption": "A cup.", "foil": "A car.", "truth": "foil"}
    (tmp_path / "items.json").write_text(json.dumps([text | row, text]))
    items = read_user_table(tmp_path / "items.json", {"crop": column, "source": "truth"})
    assert items["image_file"][0] == "x.jpg#xywh=1,2,3,4"
    assert items["source"].tolist() == ["foil", "foil"]
    assert items["reason"][1] == "row 2 has a crop that is not four numbers: x, y, width, height"
