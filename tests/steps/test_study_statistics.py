"""Statistics of a whole study: tables of many runs by where they lie, in one job."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from negtrace.errors import InputError
from negtrace.statistics.effect_sizes import Options, effect_map
from negtrace.statistics.families import study_tests
from negtrace.steps.job import run
from negtrace.study.step_source import steps
from negtrace.tables.store import provenance, read_provenance, read_table, write_table

STATISTICS = {"flips": 199, "replicates": 100}
ITEMS = 24
RUNS = [("d", "m", "standard"), ("d", "m", "rephrased"), ("e", "m", "rephrased")]
SIBLING = ("d", "n", "rephrased")
STRONG = (1, 2)  # block and head


def write(folder: Path, labels: tuple[str, str, str], kind: str, frame: pd.DataFrame) -> Path:
    names = {"sweep": "sweep.head.negate", "restoration_map": "map.head.negate"}
    path = folder.joinpath(*labels, f"{names.get(kind, kind)}.parquet")
    shared = dict(zip(("dataset", "model", "wording"), labels, strict=True))
    write_table(frame.assign(**shared), path, kind, provenance("test"))
    return path


def make_run(folder: Path, labels: tuple[str, str, str]) -> None:
    """Scores, segments, sweep and map of four heads, one of which brings most of d."""
    rng = np.random.default_rng(sum(map(ord, "".join(labels))))
    ids = {"item_id": [f"i{k}" for k in range(ITEMS)], "pair_id": [f"p{k}" for k in range(ITEMS)]}
    d = rng.normal(2, 1, ITEMS)
    scores = pd.DataFrame(
        {**ids, "negation": "caption", "s_negated": d, "s_affirmative": 0.0, "s_caption": d}
    ).assign(s_foil=0.0, d=d)
    classified = scores[["item_id", "pair_id", "negation", "d"]].assign(
        cluster_id=scores["pair_id"], segment="correct", correct=True
    )
    parts = []
    for place in ((1, 1), STRONG, (2, 1), (2, 2)):
        share = 0.8 if place == STRONG else 0.0
        change = share * d + rng.normal(0, 0.2, ITEMS)
        parts.append(
            pd.DataFrame({**ids, "s_patched": change, "restoration": change / d}).assign(
                layer=place[0], head=place[1]
            )
        )
    swept = pd.concat(parts, ignore_index=True).assign(
        site="head", direction="negate", role="all", eligible=True, known=False
    )
    swept["position"], swept["reason"] = pd.array([pd.NA] * len(swept), dtype="Int16"), None
    write(folder, labels, "scores", scores)
    write(folder, labels, "segments", classified)
    write(folder, labels, "sweep", swept.astype({"head": "Int16"}))
    table = effect_map(swept.astype({"head": "Int16"}), scores, classified, Options(**STATISTICS))
    write(folder, labels, "restoration_map", table.assign(exceeds_placebo=None))


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for labels in (*RUNS, SIBLING):
        make_run(folder, labels)
    return folder


def tables_of(study: Path, runs=RUNS) -> list[str]:
    kinds = ("sweep.head.negate", "scores", "segments")
    return [str(study.joinpath(*labels, f"{kind}.parquet")) for kind in kinds for labels in runs]


def family_of(study: Path, out: Path, runs=RUNS) -> pd.DataFrame:
    run(
        steps()["study_tests"],
        [
            *("--model=m", "--tables", *tables_of(study, runs)),
            f"--statistics={json.dumps(STATISTICS)}",
            f"--study_tests={out}",
        ],
    )
    return read_table(out, "study_tests")


def test_one_correction_over_the_runs_of_a_model_each_told_apart(study, tmp_path):
    found = family_of(study, tmp_path / "study_tests.parquet")
    frames = [[read_table(path) for path in tables_of(study, [labels])] for labels in RUNS]
    expected = study_tests(frames, Options(**STATISTICS))
    for number, (dataset, _, wording) in enumerate(RUNS):
        rows = (found["dataset"] == dataset) & (found["wording"] == wording)
        same = expected.loc[expected["sweep"] == number, "p_study"]
        assert found.loc[rows, "p_study"].tolist() == same.tolist()
    alone = family_of(study, tmp_path / "alone.parquet", RUNS[:1])
    assert len(found) == 3 * len(alone)
    assert set(found["model"]) == {"m"}
    made = read_provenance(tmp_path / "study_tests.parquet")
    assert len(made["tables"]) == 9


def test_a_run_of_another_model_is_no_member_of_the_family(study, tmp_path):
    with pytest.raises(InputError, match="is of the model n, but the job is of m"):
        family_of(study, tmp_path / "study_tests.parquet", [*RUNS, SIBLING])


def specification(study: Path, folder: Path, runs, seeds, alpha=0.05) -> pd.DataFrame:
    family_of(study, folder / "study_tests.parquet")
    run(
        steps()["specification"],
        [
            *("--dataset=d", "--model=m", "--maps"),
            *(str(study.joinpath(*labels, "map.head.negate.parquet")) for labels in runs),
            "--donor_maps",
            f"--study_tests={folder / 'study_tests.parquet'}",
            f"--seeds={json.dumps(seeds)}",
            f"--settings={json.dumps({'alpha': alpha, 'formats': ['svg'], 'dpi': 50})}",
            f"--stem={folder / 'specification'}",
            f"--specification={folder / 'specification.parquet'}",
        ],
    )
    return read_table(folder / "specification.parquet", "specification")


def test_the_curve_follows_the_named_heads_through_wordings_and_seeds(study, tmp_path):
    curve = specification(study, tmp_path, [*RUNS[:2], SIBLING], {"m": 0, "n": 7})
    assert set(zip(curve["layer"], curve["head"], strict=True)) == {STRONG}
    made = set(zip(curve["wording"], curve["seed"], strict=True))
    assert made == {("standard", 0), ("rephrased", 0), ("rephrased", 7)}
    assert curve.loc[curve["effect"] == "ratio", "rank"].eq(1).all()
    assert curve["n_heads"].eq(4).all()
    assert set(curve["model"]) == {"m"}
    assert (tmp_path / "specification.svg").is_file()


def test_a_seed_that_is_a_null_names_nothing(study, tmp_path):
    """At a level below the smallest p no head is named; the table is there and empty."""
    curve = specification(study, tmp_path, RUNS[:2], {"m": 0}, alpha=0.001)
    assert curve.empty
    assert "no head is named" in (tmp_path / "specification.svg").read_text()


def test_maps_of_another_dataset_are_refused(study, tmp_path):
    with pytest.raises(InputError, match="is of the dataset e, but the job is of d"):
        specification(study, tmp_path, RUNS, {"m": 0})


def maps_of(folder: Path, sweeps: list[str], out: Path, *options: str) -> list[Path]:
    """Run one job that makes the maps of these sweeps of a run; what it wrote."""
    out.mkdir(exist_ok=True)
    kinds = ("map", "donor_map", "spread", "ranks", "overlap", "split_halves")
    made = {kind: [out / f"{kind}.{sweep}.parquet" for sweep in sweeps] for kind in kinds}
    run(
        steps()["restoration_map"],
        [
            *("--dataset=d", "--model=m", "--wording=standard", "--donor_sweep", "--sweep"),
            *(str(folder / f"sweep.{sweep}.parquet") for sweep in sweeps),
            *(f"--{name}={folder / name}.parquet" for name in ("scores", "segments")),
            f"--statistics={json.dumps(STATISTICS)}",
            *(
                word
                for kind, paths in made.items()
                for word in (f"--{'restoration_map' if kind == 'map' else kind}", *map(str, paths))
            ),
            *options,
        ],
    )
    return [path for paths in made.values() for path in paths]


@pytest.fixture
def two_sweeps(study, tmp_path) -> Path:
    """A run with the sweep of another direction beside it, of other values."""
    folder = tmp_path / "standard"
    shutil.copytree(study.joinpath(*RUNS[0]), folder)
    other = read_table(folder / "sweep.head.negate.parquet").assign(direction="affirm")
    other["s_patched"] *= 0.5
    write_table(other, folder / "sweep.head.affirm.parquet", "sweep", provenance("test"))
    return folder


@pytest.mark.parametrize("processes", [1, 2])
def test_the_sweeps_of_a_job_are_analysed_as_each_would_be_alone(two_sweeps, tmp_path, processes):
    sweeps = ["head.negate", "head.affirm"]
    out, how = tmp_path / "together", f"--processes={processes}"
    together = maps_of(two_sweeps, sweeps, out, how)
    for sweep in sweeps:
        for path in maps_of(two_sweeps, [sweep], tmp_path / "alone"):
            assert (tmp_path / "together" / path.name).read_bytes() == path.read_bytes(), path
    assert len({path.read_bytes() for path in together}) == len(together)


def test_what_is_wrong_with_one_of_several_sweeps_is_said(two_sweeps, tmp_path):
    damaged = two_sweeps / "sweep.head.affirm.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    out = tmp_path / "maps"
    with pytest.raises(InputError, match=r"sweep\.head\.affirm\.parquet: not a readable table"):
        maps_of(two_sweeps, ["head.affirm", "head.negate"], out, "--processes=2")
    assert (out / "map.head.negate.parquet").is_file()


def test_a_kept_table_is_not_made_again_unless_what_it_is_made_from_changes(
    two_sweeps, tmp_path, capsys
):
    out, kept = tmp_path / "maps", "--kept=code"
    maps_of(two_sweeps, ["head.negate"], out, kept)
    assert "computed before" not in capsys.readouterr().out
    for path in out.glob("*.parquet"):
        path.unlink()
    maps_of(two_sweeps, ["head.negate", "head.affirm"], out, kept)
    said = capsys.readouterr().out
    assert said.count("computed before") == 1
    assert f"{out / 'map.head.affirm.parquet'}: " in said
    changed = read_table(two_sweeps / "sweep.head.negate.parquet").assign(s_patched=0.0)
    write_table(changed, two_sweeps / "sweep.head.negate.parquet", "sweep", provenance("test"))
    maps_of(two_sweeps, ["head.negate", "head.affirm"], out, kept)
    assert capsys.readouterr().out.count("computed before") == 1
    maps_of(two_sweeps, ["head.negate", "head.affirm"], out, "--kept=edited")
    assert "computed before" not in capsys.readouterr().out
