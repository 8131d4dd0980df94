"""Second names of tables: found again by what they were made from, and only whole."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from negtrace.tables.kept import keep, kept_as, restore
from negtrace.tables.store import provenance, read_table, write_table


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "images.parquet"
    write(path, "a")
    return path


def write(path: Path, picture: str) -> None:
    frame = pd.DataFrame({"dataset": "d", "model": "m", "image_file": [picture]})
    write_table(frame.assign(embedding=[[1.0]]), path, "images", provenance("images"))


def name(path: Path, code: str = "code", **made_from) -> Path:
    return kept_as(path, code, provenance("images", **made_from))


def test_a_table_comes_back_under_its_name_and_takes_no_room(table):
    before = table.read_bytes()
    keep({table: name(table)})
    assert name(table).samefile(table)
    table.unlink()
    assert restore({table: name(table)})
    assert table.read_bytes() == before
    assert name(table).samefile(table)


@pytest.mark.parametrize(
    "other",
    [
        {"code": "edited"},
        {"params": {"dtype": "float64"}},
        {"inputs": {"tower": "another sha256"}},
        {"seed": 1},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_is_made_from_something_else_has_another_name(table, other):
    keep({table: name(table)})
    table.unlink()
    assert not restore({table: name(table, **other)})
    assert not table.exists()


def test_where_the_inputs_lie_does_not_matter(table):
    made = provenance("images")
    assert kept_as(table, "code", {**made, "tables": {"a": "there/a.parquet"}}) == name(table)


def test_a_damaged_table_does_not_come_back(table):
    keep({table: name(table)})
    table.write_bytes(table.read_bytes()[:-9])
    table.unlink()
    assert not restore({table: name(table)})


def test_of_several_tables_all_come_back_or_none(table):
    names = {path: name(path) for path in (table, table.with_name("lost.parquet"))}
    keep({table: names[table]})
    table.unlink()
    assert not restore(names)
    assert not table.exists()


def test_a_new_table_takes_the_place_of_the_old_one(table):
    keep({table: name(table, "old")})
    write(table, "b")
    keep({table: name(table, "new")})
    assert [path.name for path in name(table).parent.iterdir()] == [name(table, "new").name]
    table.unlink()
    assert restore({table: name(table, "new")})
    assert read_table(table)["image_file"].tolist() == ["b"]


def test_where_there_are_no_second_names_nothing_is_kept(table, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    keep({table: name(table)})
    assert not list(name(table).parent.iterdir())
    assert table.is_file()
