"""Editing a module changes the hash of exactly the steps that use it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from negtrace import fingerprint

STEPS = sorted(
    p.stem
    for p in (fingerprint.PACKAGE / "steps").glob("*.py")
    if p.stem not in ("__init__", "command", "compute", "options")
)


MAPS = {"restoration_map", "stability", "attention_maps"}
LOADING = {"tower", "alignment", "images", "identity"}
MODEL_STEPS = LOADING | {
    *("runs", "sweep", "attention", "subject_segmentation"),
    *("contributions", "ablation", "plant", "planted"),
}
RUNNING = {
    *("tower", "alignment", "runs", "sweep", "attention", "identity"),
    *("contributions", "ablation"),
}
FEATURES = {"features", "feature_correlations", "selectivity_correlation"}


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Iterator[Path]:
    """The workflow folder copied, so that modules can be edited."""
    workflow = tmp_path / "workflow"
    shutil.copytree(fingerprint.PACKAGE, workflow / "negtrace")
    for folder in ("report", "schemas", "published"):
        shutil.copytree(fingerprint.PACKAGE.parent / folder, workflow / folder)
    monkeypatch.setattr(fingerprint, "PACKAGE", workflow / "negtrace")
    monkeypatch.setattr(fingerprint, "TABLES_FILE", workflow / "schemas/tables.json")
    for folder in ("report", "published"):
        monkeypatch.setitem(fingerprint.DATA_FOLDERS, f"negtrace.{folder}", workflow / folder)
    yield workflow
    forget()


def forget() -> None:
    """Clear the caches, which hold for one process because code does not change under it."""
    for cached in (fingerprint.code_hash, fingerprint.imports, fingerprint._parsed):
        cached.cache_clear()


def hashes() -> dict[str, str]:
    forget()
    return {step: fingerprint.code_hash(step) for step in STEPS}


@pytest.mark.parametrize(
    ("edited", "affected"),
    [
        ("negtrace/restoration.py", {"sweep", "ablation"}),
        ("negtrace/figures.py", {"figures"}),
        ("negtrace/figure_style.py", {"figures", "ledger", "planted"}),
        ("negtrace/linear.py", MODEL_STEPS),
        ("negtrace/tail_block.py", {"sweep", "ablation"}),
        ("negtrace/scenes.py", {"scenes"}),
        ("report/report.html.j2", {"report"}),
        ("published/quantmeyer2024.json", {"ledger", "report", "identity", "pictures"}),
        ("negtrace/attention.py", {"attention"}),
        ("negtrace/errors.py", set()),
        ("negtrace/steps/runs.py", {"runs"}),
        ("negtrace/openclip.py", LOADING),
        ("negtrace/model_specs.py", LOADING | {"weights"}),
        ("negtrace/messages.py", set()),
        ("negtrace/forward_passes.py", RUNNING),
        ("negtrace/steps/command.py", set()),
        ("negtrace/progress.py", set()),
        ("negtrace/settings.py", set()),
        ("negtrace/features.py", {*FEATURES, "figures"}),
        ("negtrace/tails.py", {"sweep", "ablation"}),
        (
            "negtrace/effects.py",
            {
                *("segments", *MAPS, *FEATURES, "figures", "ledger", "report", "specificity"),
                *("contributions", "contribution_map", "ablation", "plant", "planted"),
            },
        ),
    ],
)
def test_edit_affects_only_its_users(copy, edited, affected):
    before = hashes()
    with open(copy / edited, "a") as file:
        file.write("\n# edited\n")
    after = hashes()
    assert {step for step in STEPS if before[step] != after[step]} == affected


def test_hash_does_not_depend_on_where_the_code_lies(copy, monkeypatch):
    elsewhere = hashes()
    monkeypatch.undo()
    assert hashes() == elsewhere


def changed_by_schema(copy: Path, edit) -> set[str]:
    before = hashes()
    file = copy / "schemas/tables.json"
    declared = json.loads(file.read_text())
    edit(declared)
    file.write_text(json.dumps(declared))
    after = hashes()
    return {step for step in STEPS if before[step] != after[step]}


def test_a_changed_column_affects_the_step_that_writes_the_table(copy):
    def narrow(declared: dict) -> None:
        declared["tables"]["sweep"]["columns"]["restoration"]["type"] = "float32"

    assert changed_by_schema(copy, narrow) == {"sweep", "gather"}


def test_a_changed_description_or_a_new_table_affects_no_step(copy):
    def describe(declared: dict) -> None:
        declared["tables"]["sweep"]["columns"]["restoration"]["about"] = "in other words"
        declared["tables"]["new"] = {"about": "new", "columns": {}}

    assert changed_by_schema(copy, describe) == set()


@pytest.mark.parametrize(
    "line",
    [
        "import negtrace.hooks",
        "from negtrace import hooks",
        "from negtrace.hooks import anything",
        "from . import hooks",
        "from .hooks import anything",
        "def later():\n    from negtrace import hooks",
    ],
)
def test_every_form_of_import_is_followed(copy, line):
    with open(copy / "negtrace/restoration.py", "a") as file:
        file.write(f"\n{line}\n")
    forget()
    assert "negtrace.hooks" in fingerprint.closure("negtrace.steps.sweep")


def test_every_table_a_step_writes_is_found():
    """The table's name must stand in the call, or the schema's changes would go unnoticed."""
    for step in STEPS:
        source = fingerprint.module_file(f"negtrace.steps.{step}").read_text()
        written = fingerprint.written_tables(f"negtrace.steps.{step}")
        assert bool(written) == ("write_table(" in source), step


def test_only_steps_that_run_a_model_import_torch_or_open_clip():
    for step in STEPS:
        modules = fingerprint.closure(f"negtrace.steps.{step}")
        assert ("negtrace.tower" in modules) == (step in MODEL_STEPS), step
    for step in ("sweep", "runs", "attention"):
        assert "negtrace.openclip" not in fingerprint.closure(f"negtrace.steps.{step}")
