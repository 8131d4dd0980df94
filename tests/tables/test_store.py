"""Tables round-trip, refuse what is not declared, and are never half-written."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from negtrace.errors import InputError
from negtrace.tables import store


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": "demo",
            "model": "m",
            "wording": "standard",
            "pair_id": ["p", "p"],
            "polarity": ["negated", "affirmative"],
            "position": [0, 1],
            "token_id": [49406, 997],
            "token": ["<s>", "there"],
            "role": ["SOT", "there"],
            "counterpart": pd.array([0, None], dtype="Int16"),
            "negator": [False, False],
        }
    )


def test_round_trip_keeps_values_types_and_nulls(frame, tmp_path):
    path = tmp_path / "folder" / "alignment.parquet"
    store.write_table(frame, path, "alignment", {"step": "test"})
    back = store.read_table(path)
    assert list(back.columns) == list(store.table_schema("alignment").names)
    assert back["token_id"].tolist() == [49406, 997]
    assert back["position"].dtype == np.int16
    assert back["counterpart"].isna().tolist() == [False, True]
    assert store.read_provenance(path) == {
        "step": "test",
        "table": "alignment",
        "file": "alignment.parquet",
        "labels": {"dataset": "demo", "model": "m", "wording": "standard"},
        "tables": {},
    }


def test_vectors_round_trip(tmp_path):
    frame = pd.DataFrame(
        {
            "dataset": "d",
            "model": "m",
            "image_file": ["a.png"],
            "embedding": [np.array([0.25, -1.5], dtype=np.float64)],
        }
    )
    store.write_table(frame, tmp_path / "images.parquet", "images", {})
    assert store.read_table(tmp_path / "images.parquet")["embedding"][0].tolist() == [0.25, -1.5]


def test_same_content_same_bytes(frame, tmp_path):
    for folder in ("a", "b"):
        store.write_table(frame, tmp_path / folder / "x.parquet", "alignment", {"b": 1, "a": 2})
    first, second = (tmp_path / folder / "x.parquet" for folder in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("umask", [0o077, 0o002, 0o022, 0o027])
def test_umask_is_respected(tmp_path, umask):
    before = os.umask(umask)
    try:
        store.write_text("x", tmp_path / "folder" / "file.txt")
    finally:
        os.umask(before)
    assert (tmp_path / "folder" / "file.txt").stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives a folder to any group")
def test_files_in_a_shared_folder_belong_to_its_group(tmp_path):
    os.chown(tmp_path, -1, 12345)
    tmp_path.chmod(0o2775)
    store.write_text("x", tmp_path / "file.txt")
    assert (tmp_path / "file.txt").stat().st_gid == 12345


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="role"), r"missing columns \['role'\]"),
        (lambda f: f.assign(extra=1), r"undeclared columns \['extra'\]"),
        (lambda f: f.assign(role=[None, "there"]), "column role has nulls"),
        (lambda f: f.assign(position=["zero", "one"]), "alignment"),
    ],
)
def test_undeclared_content_is_refused(frame, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        store.write_table(change(frame), tmp_path / "x.parquet", "alignment", {})
    assert list(tmp_path.iterdir()) == []


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    store.write_text("old", path)

    def interrupted():
        with store.atomic_path(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_truncated_table_is_refused_with_a_remedy(frame, tmp_path):
    path = tmp_path / "alignment.parquet"
    store.write_table(frame, path, "alignment", {})
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"alignment\.parquet: not a readable table.*run again"):
        store.read_table(path)


def test_provenance_names_what_was_used():
    digest = "0f" * 32
    made = store.provenance(
        "sweep", inputs={"items": digest}, params={"site": "head"}, model={"weights": "w"}, seed=3
    )
    assert made["inputs"] == {"items": digest}
    assert made["versions"]["torch"]
    assert (made["step"], made["seed"], made["model"]) == ("sweep", 3, {"weights": "w"})
