"""Every result is hashed again; what is corrupt or stale is named, and only that."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

from negtrace.data.images import FILE_COLUMNS, check_unchanged
from negtrace.data.items import text_frame
from negtrace.errors import InputError
from negtrace.models.tower_file_check import check_tower
from negtrace.models.weights import Weights
from negtrace.steps.report import verify
from negtrace.tables.store import (
    provenance,
    read_source,
    sha256,
    table_schema,
    write_json,
    write_table,
)
from negtrace.verification import findings

RUN = {"dataset": "demo", "model": "tiny", "wording": "rephrased"}


def excluded(path: Path, reason: str = "why", **reads: Path) -> Path:
    tables = {role: read_source(file)[1] for role, file in reads.items()}
    frame = pd.DataFrame({"item_id": ["a", "b"], "reason": reason})
    write_table(frame, path, "excluded", provenance("test", tables=tables))
    return path


def map_of(path: Path, **reads: Path) -> Path:
    tables = {role: read_source(file)[1] for role, file in reads.items()}
    values = dict.fromkeys(table_schema("selectivity_map").names, 1)
    frame = pd.DataFrame([{**values, "negation": "all", "segment": "all", **RUN}])
    write_table(frame, path, "selectivity_map", provenance("test", tables=tables))
    return path


@pytest.fixture
def results(tmp_path) -> Path:
    """A dataset with pictures and two tables, a run and a model."""
    folder = tmp_path / "results"
    dataset, model = folder / "demo", folder / "models" / "tiny"
    pictures = dataset / "source" / "images"
    pictures.mkdir(parents=True)
    rows = []
    for name in ("a.png", "b.png"):
        (pictures / name).write_bytes(name.encode())
        rows.append({"image_file": name, "origin": "archive", "sha256": sha256(pictures / name)})
    rows.append({"image_file": "gone.png", "reason": "404"})
    files = text_frame(rows, FILE_COLUMNS)
    write_table(files, dataset / "image_files.parquet", "image_files", provenance("test"))
    rejected = excluded(dataset / "rejected.rephrased.parquet")
    chosen = excluded(dataset / "excluded.rephrased.parquet", rejected=rejected)
    map_of(dataset / "tiny" / "rephrased" / "selectivity_map.parquet", pairs=chosen)
    model.mkdir(parents=True)
    (model / "tower.safetensors").write_bytes(b"weights")
    identity = {"tower_sha256": sha256(model / "tower.safetensors")}
    write_json({"shape": {}, "identity": identity}, model / "tower.json")
    checkpoint = tmp_path / "mine.pt"
    checkpoint.write_bytes(b"checkpoint")
    write_json(
        asdict(Weights(str(checkpoint), sha256(checkpoint), None, {})), model / "weights.json"
    )
    (folder / "report.html").write_text("<html>")
    return folder


def test_a_whole_study_has_no_findings(results, capsys, monkeypatch):
    monkeypatch.chdir(results.parent)
    assert list(findings(results)) == []
    verify()
    assert "every result is whole" in capsys.readouterr().out


def test_shards_go_once_they_are_put_together(results):
    shard = excluded(results / "demo" / "sweep.head.negate.1of2.parquet")
    whole = results / "demo" / "tiny" / "rephrased" / "gathered.parquet"
    map_of(whole, parts=shard, pairs=excluded(results / "demo" / "other.parquet"))
    assert list(findings(results)) == []
    shard.unlink()
    assert list(findings(results)) == []
    (results / "demo" / "other.parquet").unlink()
    (finding,) = findings(results)
    assert "other.parquet, which is gone" in finding


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def exchange(folder: Path) -> None:
    run = folder / "demo" / "tiny" / "rephrased"
    (folder / "demo" / "other" / "rephrased").mkdir(parents=True)
    shutil.move(
        run / "selectivity_map.parquet",
        folder / "demo" / "other" / "rephrased" / "selectivity_map.parquet",
    )


DAMAGE = {
    "a flipped bit in a table": (
        lambda folder: flip(folder / "demo" / "tiny" / "rephrased" / "selectivity_map.parquet"),
        [r"^corrupt: .*selectivity_map\.parquet: not a readable table"],
    ),
    "an empty table": (
        lambda folder: (folder / "demo" / "excluded.rephrased.parquet").write_bytes(b""),
        [r"^corrupt: .*excluded\.rephrased\.parquet"],
    ),
    "another version of an input": (
        lambda folder: excluded(folder / "demo" / "rejected.rephrased.parquet", "another"),
        [r"^stale: .*excluded\.rephrased\.parquet: was made from another .*rejected"],
    ),
    "an input that is gone": (
        lambda folder: (folder / "demo" / "rejected.rephrased.parquet").unlink(),
        [r"^stale: .*excluded\.rephrased\.parquet: was made from .*rejected.* is gone"],
    ),
    "a table of another model": (exchange, [r"^corrupt: .*is of the model tiny"]),
    "a table of somebody else": (
        lambda folder: pd.DataFrame({"a": [1]}).to_parquet(folder / "demo" / "own.parquet"),
        [r"^corrupt: .*own\.parquet: not a readable table"],
    ),
    "a picture": (
        lambda folder: flip(folder / "demo" / "source" / "images" / "b.png"),
        [r"^corrupt: .*b\.png: is another picture"],
    ),
    "a picture that is gone": (
        lambda folder: (folder / "demo" / "source" / "images" / "a.png").unlink(),
        [r"^stale: .*image_files\.parquet: the picture .*a\.png is gone"],
    ),
    "a tower's weights": (
        lambda folder: flip(folder / "models" / "tiny" / "tower.safetensors"),
        [r"^corrupt: .*tower\.safetensors: not the weights"],
    ),
    "a tower's description": (
        lambda folder: (folder / "models" / "tiny" / "tower.json").write_text("{"),
        [r"^corrupt: .*tiny: no readable text tower"],
    ),
    "a checkpoint": (
        lambda folder: (folder.parent / "mine.pt").write_bytes(b"other"),
        [r"^stale: .*weights\.json: the checkpoint .*mine\.pt has changed"],
    ),
    "a checkpoint that is gone": (
        lambda folder: (folder.parent / "mine.pt").unlink(),
        [r"^stale: .*weights\.json: the checkpoint .*mine\.pt is gone"],
    ),
    "what a killed job left": (
        lambda folder: (folder / "demo" / ".tmp-12.parquet").write_bytes(b"PAR1"),
        [r"\.tmp-12\.parquet: left behind"],
    ),
}


@pytest.mark.parametrize(("damage", "expected"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_named_and_nothing_else(results, damage, expected, monkeypatch):
    monkeypatch.chdir(results.parent)
    damage(results)
    found = list(findings(results))
    assert len(found) == len(expected), found
    for finding, pattern in zip(found, expected, strict=True):
        assert re.search(pattern, finding), found
        assert finding.isprintable()
    with pytest.raises(InputError, match=f"{len(found)} findings"):
        verify()


def test_annotations_that_were_changed_make_the_items_stale(results):
    source = results / "demo" / "source" / "existence.json"
    source.write_text("{}")
    made = provenance("items", inputs={"annotations": sha256(source)})
    row = dict.fromkeys(("item_id", "image_file", "image_id", "caption", "foil"), "x")
    votes = dict.fromkeys(("votes_caption", "votes_foil", "votes_other"), 1)
    items = results / "demo" / "items.parquet"
    nothing = dict.fromkeys(("group", "source", "reason", "control"))
    write_table(pd.DataFrame([row | votes | nothing]), items, "items", made)
    assert list(findings(results)) == []
    source.write_text("[]")
    assert [finding.split(": was made")[0] for finding in findings(results)] == [f"stale: {items}"]


def test_pictures_that_changed_after_they_were_listed_are_not_encoded(results):
    files, _ = read_source(results / "demo" / "image_files.parquet")
    folder = results / "demo" / "source" / "images"
    check_unchanged(folder, files)
    flip(folder / "b.png")
    with pytest.raises(InputError, match=r"images: b\.png changed since .*run again"):
        check_unchanged(folder, files)
    (folder / "a.png").unlink()
    with pytest.raises(InputError, match=r"a\.png, b\.png changed"):
        check_unchanged(folder, files)


def test_a_tower_that_lacks_its_hash_or_weights_is_refused(results):
    folder = results / "models" / "tiny"
    check_tower(folder)
    (folder / "tower.json").write_text(json.dumps({"shape": {}, "identity": {}}))
    with pytest.raises(InputError, match="no readable text tower"):
        check_tower(folder)
