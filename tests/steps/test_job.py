"""A job reads and checks its tables, runs its step, and writes what that returns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from negtrace.errors import InputError
from negtrace.steps.job import run
from negtrace.steps.sweeps import gather
from negtrace.study.step_source import steps
from negtrace.tables.store import provenance, read_provenance, read_table, write_table

LABELS = ("--dataset=d", "--model=m", "--wording=standard")


@pytest.fixture
def folder(tmp_path) -> Path:
    """Tables ``scores`` and ``pairs`` of three items."""
    ids = ["a", "b", "c"]
    scores = pd.DataFrame(
        {
            "dataset": "d",
            "model": "m",
            "wording": "standard",
            "item_id": ids,
            "pair_id": "p",
            "negation": "foil",
            "s_negated": [0.0, 0.0, 0.0],
            "s_affirmative": [2.0, 0.5, -3.0],
            "s_caption": [2.0, 0.5, -3.0],
            "s_foil": [0.0, 0.0, 0.0],
            "d": [2.0, 0.5, -3.0],
        }
    )
    text = dict.fromkeys(("image_file", "caption", "foil", "negated", "affirmative"), "x")
    unknown = dict.fromkeys(
        (
            "negator",
            "negator_at",
            "negated_subject_at",
            "affirmative_subject_at",
            "group",
            "control",
        )
    )
    votes = dict.fromkeys(("votes_caption", "votes_foil", "votes_other"))
    pairs = pd.DataFrame(
        [
            {"item_id": i, "pair_id": "p", **text, "negation": "foil", "edit": "other", **votes}
            | {"kind": "negation", **unknown}
            for i in ids[:2]
        ]
    ).astype({name: "Int32" for name in votes})
    write_table(scores, tmp_path / "scores.parquet", "scores", provenance("runs"))
    write_table(pairs, tmp_path / "pairs.parquet", "candidates", provenance("pairs"))
    return tmp_path


def words(folder: Path, *labels: str) -> list[str]:
    return [
        *(labels or LABELS),
        f"--scores={folder / 'scores.parquet'}",
        f"--pairs={folder / 'pairs.parquet'}",
        '--thresholds={"incorrect_below": -1, "correct_from": 1}',
        f"--segments={folder / 'segments.parquet'}",
        f"--accuracy={folder / 'accuracy.parquet'}",
    ]


def test_a_step_writes_labelled_tables_that_say_what_they_were_made_from(folder):
    run(steps()["segments"], words(folder))
    table = read_table(folder / "segments.parquet", "segments")
    assert table["segment"].tolist() == ["correct", "ambiguous"]
    assert table["model"].tolist() == ["m", "m"]
    made = read_provenance(folder / "segments.parquet")
    assert made["step"] == "segments"
    assert made["tables"] == {"scores": "scores.parquet", "pairs": "pairs.parquet"}
    assert made["params"] == {"thresholds": {"incorrect_below": -1, "correct_from": 1}}
    assert read_table(folder / "accuracy.parquet")["n_items"].tolist() == [2, 2]


def test_a_table_of_another_model_is_refused(folder):
    with pytest.raises(
        InputError, match=r"scores\.parquet: is of the model m, but the job is of o"
    ):
        run(steps()["segments"], words(folder, "--dataset=d", "--model=o", "--wording=standard"))
    assert not (folder / "segments.parquet").exists()


def test_a_table_of_another_kind_is_refused(folder):
    given = words(folder)
    given[3] = f"--scores={folder / 'pairs.parquet'}"
    with pytest.raises(InputError, match="is a table candidates, not scores"):
        run(steps()["segments"], given)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["segments"], 2, "the following arguments are required"),
        (["segmnts"], 2, "run one step"),
        ([], 2, "run one step"),
    ],
)
def test_the_command_line_says_what_it_lacks(arguments, status, said):
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-m", "negtrace.steps", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_gathered_shards_record_the_deviation_of_the_whole_table(folder):
    deviations = [
        {"largest": 0.2, "mean": 0.1, "cells": 30, "pairs": 3, "of_pairs": 4},
        {"largest": 0.5, "mean": 0.4, "cells": 10, "pairs": 2, "of_pairs": 2},
    ]
    files = []
    for number, deviation in enumerate(deviations):
        params = {"site": "head", "deviation_from_float32": deviation}
        files.append(folder / f"{number}.parquet")
        write_table(
            read_table(folder / "scores.parquet"),
            files[-1],
            "scores",
            provenance("sweep", params=params, model={}),
        )
    ids = pd.DataFrame({"item_id": ["a", "b"]})
    parts = [ids.iloc[[0]], ids.iloc[[1]]]
    made = gather(ids, parts, files)
    assert made.params["shards"] == 2
    assert made.params["site"] == "head"
    found = made.params["deviation_from_float32"]
    whole = {"largest": 0.5, "mean": 0.175, "cells": 40, "pairs": 5, "of_pairs": 6}
    assert found == pytest.approx(whole)


def test_provenance_names_no_place_on_the_machine():
    """Folders, and entries of the configuration with paths in them, are not recorded."""
    for step in steps().values():
        for parameter in step.parameters:
            if parameter.name in ("folder", "images", "stem", "spec", "entry", "state"):
                recorded = parameter.annotation in ("str", "dict[str, Any]")
                assert not recorded, (step.name, parameter.name)
