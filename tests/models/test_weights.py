"""What a model is made of: its record holds when results are moved."""

from __future__ import annotations

import json
import shutil

from negtrace.models.weights import Weights, read_weights, write_weights


def test_files_among_the_results_are_found_when_these_are_moved(tmp_path):
    old, new = (tmp_path / name / "results" / "models" / "mine" for name in ("old", "new"))
    old.mkdir(parents=True)
    fetched = old / "checkpoint" / "w.bin"
    made = Weights(str(fetched), "0", str(old / "tokenizer"), {str(fetched): "https://hub/w.bin"})
    write_weights(made, old / "weights.json")
    assert read_weights(old / "weights.json") == made
    assert json.loads((old / "weights.json").read_text())["checkpoint"] == (
        "results/models/mine/checkpoint/w.bin"
    )
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    moved = str(new / "checkpoint" / "w.bin")
    assert read_weights(new / "weights.json") == Weights(
        moved, "0", str(new / "tokenizer"), {moved: "https://hub/w.bin"}
    )


def test_a_file_of_the_user_s_stays_where_it_is(tmp_path):
    own = str(tmp_path / "results" / "mine.pt")
    record = tmp_path / "study" / "results" / "models" / "mine" / "weights.json"
    record.parent.mkdir(parents=True)
    write_weights(Weights(own, "0", None, {}), record)
    assert json.loads(record.read_text())["checkpoint"] == own
    assert read_weights(record).checkpoint == own
