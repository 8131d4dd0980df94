"""Readers of users' own: what they may return, what is refused, what the configuration knows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from negtrace.data.readers.registry import READERS, read_items
from negtrace.errors import InputError
from negtrace.study import code_hash, dataset_kinds
from negtrace.study.extensions import with_versions
from negtrace.study.settings import validate

ROOT = Path(__file__).parents[2]
OWN = ROOT / "tests" / "own_code" / "tab_pairs.py"
LINES = "a comment\na.png | There are no dogs. | There are dogs.\n"
GOOD = "dict(item_id=['1'], image_file=['a.png'], caption=['No.'], foil=['Yes.'])"


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "items.txt"
    path.write_text(LINES)
    return path


@pytest.fixture
def config(monkeypatch) -> dict:
    monkeypatch.chdir(ROOT)
    return yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package with a reader and a family."""
    (tmp_path / "their_reader.py").write_text(OWN.read_text())
    described = tmp_path / "theirs-1.2.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.2\n")
    points = "[negtrace.readers]\nlines = their_reader\n[negtrace.models]\ntheirs = their_reader\n"
    (described / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(tmp_path))
    dataset_kinds.kinds.cache_clear()
    yield
    dataset_kinds.kinds.cache_clear()


def written(folder: Path, body: str) -> Path:
    path = folder / "mine.py"
    path.write_text(f"import pandas as pd\n{body}\n")
    return path


def entry(**changes) -> dict:
    of_reader = {"kind": "reader", "file": "README.md", "code": str(OWN), "images": "docs"}
    return of_reader | changes


def test_items_are_what_the_users_function_returns(file):
    items = read_items(file, {"kind": "reader", "options": {"skip": 1}}, OWN)
    assert items["item_id"].tolist() == ["line 0"]
    assert items["foil"].tolist() == ["There are dogs."]
    assert items["votes_caption"].isna().all()


def test_a_row_with_a_reason_may_lack_the_rest(file, tmp_path):
    rows = "pd.DataFrame([dict(item_id='1', reason='blurred', image_file=None, caption=None, "
    code = written(tmp_path, f"def read(path): return {rows}foil=None, votes_foil=2)])")
    items = read_items(file, {"kind": "reader"}, code)
    assert items.loc[0, ["caption", "reason", "votes_foil"]].tolist() == ["", "blurred", 2]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("x = 1", r"mine\.py: has no function read\(\); add one"),
        ("def read(path: return", r"mine\.py: import fails \(SyntaxError: "),
        ("import no_such_package", r"mine\.py: import fails \(ModuleNotFoundError: .*no_such_pack"),
        ("def read(path): return {}['x']", r"mine\.py: read\(.*\) fails \(KeyError: 'x'\)"),
        ("def read(path, other): return 1", r"read\(.*fails \(TypeError: .*'other'"),
        ("def read(path): return [1]", "no DataFrame but a list"),
        ("def read(path): return pd.DataFrame(dict(id=[1]))", "the columns id; needed are item_id"),
        (f"def read(path): return pd.DataFrame({GOOD}).assign(vote=1)", "foil, vote; needed are"),
        (f"def read(path): return pd.DataFrame({GOOD}).head(0)", "returns no rows"),
        (
            f"def read(path): return pd.DataFrame({GOOD}).assign(item_id=7)",
            "7 as the item_id, ",
        ),
        (
            f"def read(path): return pd.DataFrame({GOOD}).assign(foil=None)",
            "None as the foil, ",
        ),
        (
            f"def read(path): return pd.concat([pd.DataFrame({GOOD})] * 2)",
            "the item_id '1', empty or used",
        ),
        (
            f"def read(path): return pd.DataFrame({GOOD}).assign(item_id=' ')",
            "the item_id ' ', empty",
        ),
        (
            f"def read(path): return pd.DataFrame({GOOD}).assign(foil=[['x']])",
            r"\['x'\] as the foil",
        ),
        (f"def read(path): return pd.DataFrame({GOOD}).assign(votes_foil='x')", "fails .*; correc"),
    ],
)
def test_wrong_readers_are_refused_in_one_line(file, tmp_path, body, message):
    code = written(tmp_path, body)
    with pytest.raises(InputError, match=message) as caught:
        read_items(file, {"kind": "reader"}, code)
    assert str(caught.value).startswith(str(code))
    assert "\n" not in str(caught.value)


def test_every_declared_kind_has_a_reader_and_every_reader_a_declaration():
    assert set(dataset_kinds.kinds()) - {dataset_kinds.OWN} == set(READERS) - {"scenes"}


def test_an_edit_of_a_reader_reruns_items():
    used = code_hash.closure(code_hash.own_definitions("items").imported)
    assert {read.__module__ for read in READERS.values()} <= used


def test_an_entry_of_a_readers_is_valid(config):
    config["study"]["datasets"] = ["own"]
    config["datasets"]["own"] = entry(options={"skip": 1})
    validate(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "raeder"}, r"kind is 'raeder', did you mean 'reader'"),
        ({"code": "gone.py"}, r"datasets\.own\.code: there is no file gone\.py"),
        ({"code": "README.md"}, r"datasets\.own\.code: a reader's file has to end in \.py"),
        ({"file": "gone.csv"}, r"datasets\.own\.file: there is no file gone\.csv"),
        ({"option": {}}, r"unknown key datasets\.own\.option, did you mean 'options'"),
        ({"options": 3}, r"datasets\.own\.options is 3, but must be a mapping"),
    ],
)
def test_wrong_entries_are_refused_by_key(config, changes, message):
    config["study"]["datasets"] = ["own"]
    config["datasets"]["own"] = entry(**changes)
    with pytest.raises(InputError, match=message):
        validate(config)


def test_an_installed_reader_is_a_kind_of_its_own(config, package, file):
    of_package = {"kind": "lines", "file": str(file), "images": "docs", "options": {"skip": 1}}
    config["study"].update(datasets=["own"], models=["own"])
    config["datasets"]["own"] = of_package
    config["models"]["own"] = {"architecture": "small", "family": "theirs"}
    validate(config)
    changed = with_versions(config)
    assert changed["datasets"]["own"]["installed"] == "theirs 1.2"
    assert changed["models"]["own"]["installed"] == "theirs 1.2"
    assert "installed" not in changed["datasets"]["demo"]
    read = read_items(file, {"kind": "lines", "options": {"skip": 1}, "installed": "theirs 1.2"})
    assert read["item_id"].tolist() == ["line 0"]
    config["datasets"]["own"] = of_package | {"code": str(OWN)}
    with pytest.raises(InputError, match=r"unknown key datasets\.own\.code"):
        validate(config)
    config["models"]["own"]["family"] = "their"
    config["datasets"]["own"] = of_package
    with pytest.raises(InputError, match=r"neither a file .*did you mean 'theirs'"):
        validate(config)


def test_kinds_are_known_without_importing_what_reads_them():
    code = "import json, sys; from negtrace.study.dataset_kinds import kinds; kinds();"
    code += "print(json.dumps([m for m in ('pandas', 'torch', 'numpy') if m in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
    )
    assert json.loads(done.stdout) == []
