"""Tables of items in three formats; broken ones are refused with column and row."""

from __future__ import annotations

import pandas as pd
import pytest

from negtrace.errors import InputError
from negtrace.items import ITEM_COLUMNS
from negtrace.user_table import read_user_table

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
        (lambda t: t.assign(key=["8", ""]), "row 2 has '' as its id"),
        (lambda t: t.assign(key=["8", "8"]), r"the id '8' occurs twice \(row 2\)"),
        (lambda t: t.iloc[:0], "holds no rows"),
    ],
)
def test_faults_are_named(tmp_path, change, message):
    path = tmp_path / "items.csv"
    change(TABLE).to_csv(path, index=False)
    with pytest.raises(InputError, match=message) as caught:
        read_user_table(path, COLUMNS | {"id": "key"})
    assert str(path) in str(caught.value)


def test_missing_values_and_numbers_are_no_texts(tmp_path):
    path = tmp_path / "items.parquet"
    TABLE.assign(true=["There is no dog.", None]).to_parquet(path)
    with pytest.raises(InputError, match=r"row 2 has .* as its caption"):
        read_user_table(path, COLUMNS)
    TABLE.assign(picture=[1, 2]).to_parquet(path)
    with pytest.raises(InputError, match="row 1 has 1 as its image"):
        read_user_table(path, COLUMNS)


def test_files_that_are_no_table(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        read_user_table(tmp_path / "none.csv", {})
    broken = tmp_path / "items.jsonl"
    broken.write_text('{"image": "a"}\n{"image": ')
    with pytest.raises(InputError, match=r"items\.jsonl: cannot be read"):
        read_user_table(broken, {})
    with pytest.raises(InputError, match="its ending must say what it is"):
        read_user_table(tmp_path / "items.xlsx", {})
