"""Rows of every format, separator and encoding; rows that do not fit keep their place."""

from __future__ import annotations

import gzip
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negtrace.data.readers.row_files import first_fault, read_rows
from negtrace.errors import InputError

TABLE = [["key", "text"], ["007", "Café, “no” dogs."], ["8", "two\nlines"]]


def delimited(separator: str) -> str:
    quoted = [[f'"{cell}"' for cell in row] for row in TABLE]
    return "\r\n".join(separator.join(row) for row in quoted) + "\r\n"


@pytest.mark.parametrize(
    ("name", "separator"),
    [
        ("a.csv", ","),
        ("a.CSV", ";"),
        ("a.csv", "\t"),
        ("a.csv", "|"),
        ("a.tsv", "\t"),
        ("a.Csv.GZ", ";"),
        ("a.tsv.gz", "\t"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
def test_separators_and_encodings_are_found(tmp_path, name, separator, encoding, caplog):
    path = tmp_path / name
    content = delimited(separator).encode(encoding)
    path.write_bytes(gzip.compress(content) if name.lower().endswith("gz") else content)
    rows = read_rows(path)
    assert [list(rows.table.columns), *rows.table.to_numpy().tolist()] == TABLE
    assert not rows.faults
    assert ("read as cp1252" in caplog.text) == (encoding == "cp1252")


def test_separator_and_encoding_can_be_given(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("a,b:c\nж,1:2\n".encode("cp1251"))
    table = read_rows(path, separator=":", encoding="cp1251").table
    assert table.to_dict("records") == [{"a,b": "ж,1", "c": "2"}]
    with pytest.raises(InputError, match="no encoding 'klingon'"):
        read_rows(path, encoding="klingon")
    with pytest.raises(InputError, match="is not ascii text; name its encoding"):
        read_rows(path, encoding="ascii")


def test_a_separator_line_of_excel_is_no_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("sep=;\na;b,c\n1;2,3\n")
    assert read_rows(path).table.to_dict("records") == [{"a": "1", "b,c": "2,3"}]


def test_rows_that_do_not_fit_the_header_are_named_and_nothing_is_moved(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "caption,foil,image\n"
        "There are no cats.,There are cats.,a.png\n"
        "In the park, there are no dogs.,There are dogs.,b.png\n"
        "\n"
        "There are no cars.,There are cars.\n"
        '"There is "no" bus.",There is a bus.,d.png\n'
        '"There is no van, Sir.",There is a van.,e.png\n'
    )
    rows = read_rows(path)
    assert rows.table["image"].tolist() == ["a.png", None, None, None, "e.png"]
    assert rows.table["caption"].tolist()[-1] == "There is no van, Sir."
    assert list(rows.faults) == [1, 2, 3]
    assert rows.faults[1] == "(line 3) has 4 fields, the header has 3"
    assert rows.faults[2] == "(line 5) has 2 fields, the header has 3"
    assert "(line 6) is no row of fields" in rows.faults[3]
    with pytest.raises(InputError, match=r"row 2 \(line 3\) has 4 fields"):
        first_fault(rows, path)


@pytest.mark.parametrize(
    "text",
    [
        'a,b\n"1,2\n3,4\n',  # never closed: the rest of the file would be one cell
        'a,b\n"1,2\n3,4"x,5\n6,7\n',  # closed by another row's mark
        '"a,b\n1,2\n',
    ],
)
def test_an_open_quotation_mark_swallows_no_rows(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"a\.csv: line [12] opens a quotation mark"):
        read_rows(path)


def test_json_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [
        '{"a": 1, "b": "x\u2028y"}',
        "",
        "[1]",
        '{"a": 2',
        '{"c": null}',
        f'{{"a": {"9" * 5000}}}',
    ]
    path.write_bytes("\ufeff".encode() + "\n".join(lines).encode())
    rows = read_rows(path)
    assert rows.table["a"].tolist() == [1, None, None, None, None]
    assert rows.table["b"].tolist()[0] == "x\u2028y"
    assert list(rows.faults) == [1, 2, 3 + 1]
    assert rows.faults[1] == "is no JSON object"
    assert "line 4: not valid JSON" in rows.faults[2]
    path.write_text("nonsense\n" * 3)
    with pytest.raises(InputError, match="not one of its lines is a JSON object"):
        read_rows(path)


@pytest.mark.parametrize("content", [[], {}, 7, "x", None, [1, 2], {"a": 1}])
def test_json_without_rows(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"a\.json: holds no rows"):
        read_rows(path)


def test_json_objects_keep_their_keys(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"0": {"a": "x"}, "7": 3}')
    rows = read_rows(path)
    assert rows.keys == ["0", "7"]
    assert rows.faults == {1: "is no JSON object"}


def test_a_key_that_is_no_valid_text_is_a_column(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a\\ud800": 1, "b": 2}')
    assert list(read_rows(path).table.columns) == ["a\ud800", "b"]


def test_parquet_cells_are_as_stored(tmp_path):
    folder = tmp_path / "split=test"  # no column of that name comes of it
    folder.mkdir()
    path = folder / "a.parquet"
    pq.write_table(pa.table({"n": [2**62 + 1, None], "s": ["x", None]}), path)
    table = read_rows(path).table
    assert table["n"].tolist() == [2**62 + 1, None]
    assert table["s"].tolist() == ["x", None]
    assert list(table.columns) == ["n", "s"]
    pd.DataFrame({"a": []}).to_parquet(path)
    assert read_rows(path).table.empty
    packed = tmp_path / "b.parquet.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_rows(packed).table.columns) == ["a"]


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "a.parquet", "a.csv.gz"])
def test_files_that_cannot_be_read(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(InputError, match="cannot be read"):
        read_rows(path)
    path.mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        read_rows(path)
    with pytest.raises(InputError, match="its ending must say what it is"):
        read_rows(tmp_path / "a.xlsx")
    for content in (b"\x1f\x8bnothing", b"\x00" * 50, b"PAR1" * 4):
        other = tmp_path / f"other-{name}"
        other.write_bytes(content)
        if name not in ("a.csv", "a.jsonl"):
            with pytest.raises(InputError, match=r"cannot be read|not valid JSON|is not UTF"):
                read_rows(other)
