"""Code hashes that were kept are those of the code that is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_code_hash import STEPS, copy, forget  # noqa: F401

from negtrace.study import code_hash, kept_hashes


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working directory of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def anew(step: str) -> str:
    """A step's hash, as another process gets it."""
    kept_hashes._hashes.cache_clear()
    return kept_hashes.code_hash(step)


def kept() -> dict:
    return json.loads(kept_hashes.FILE.read_text())


def test_kept_hashes_are_those_that_are_computed(folder):
    assert {step: anew(step) for step in STEPS} == {
        step: code_hash.code_hash(step) for step in STEPS
    }
    assert kept()["hashes"].keys() == set(STEPS)


def test_they_are_read_while_no_file_changes(folder):
    anew("sweep")
    kept_hashes.FILE.write_text(json.dumps({**kept(), "hashes": {"sweep": "kept"}}))
    assert anew("sweep") == "kept"


@pytest.mark.parametrize(
    "edited",
    ["negtrace/patching/tails.py", "schemas/tables.json", "report/template.html.j2"],
)
def test_an_edit_makes_them_anew(copy, folder, edited):  # noqa: F811
    forget()
    before = {step: anew(step) for step in STEPS}
    file = copy / edited
    if file.suffix == ".json":
        tables = json.loads(file.read_text())
        tables["shared"]["model"]["type"] = "int64"
        file.write_text(json.dumps(tables))
    else:
        file.write_text(file.read_text() + "\n")
    forget()
    after = {step: anew(step) for step in STEPS}
    assert before != after == {step: code_hash.code_hash(step) for step in STEPS}
    forget()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"of": 1}'])
def test_a_damaged_file_is_made_anew(folder, content):
    kept_hashes.FILE.parent.mkdir()
    kept_hashes.FILE.write_text(content)
    assert anew("sweep") == code_hash.code_hash("sweep")
    assert kept()["hashes"]["sweep"] == code_hash.code_hash("sweep")


def test_where_nothing_can_be_written_they_are_computed(folder):
    (folder / ".snakemake").write_text("a file where the folder would be")
    assert anew("sweep") == code_hash.code_hash("sweep")
