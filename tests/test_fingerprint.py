"""Editing a module changes the hash of exactly the steps that use it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from negtrace import fingerprint

STEPS = sorted(
    p.stem
    for p in (fingerprint.PACKAGE / "steps").glob("*.py")
    if p.stem not in ("__init__", "command")
)


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Path:
    """The workflow folder copied, so that modules can be edited."""
    workflow = tmp_path / "workflow"
    shutil.copytree(fingerprint.PACKAGE, workflow / "negtrace")
    shutil.copytree(fingerprint.PACKAGE.parent / "report", workflow / "report")
    monkeypatch.setattr(fingerprint, "PACKAGE", workflow / "negtrace")
    return workflow


def hashes() -> dict[str, str]:
    fingerprint.code_hash.cache_clear()
    return {step: fingerprint.code_hash(step) for step in STEPS}


@pytest.mark.parametrize(
    ("edited", "affected"),
    [
        ("negtrace/restoration.py", {"sweep"}),
        ("negtrace/figures.py", {"figures"}),
        ("negtrace/scenes.py", {"scenes"}),
        ("report/report.html.j2", {"report"}),
        ("negtrace/attention.py", {"attention"}),
        ("negtrace/errors.py", set()),
        ("negtrace/steps/runs.py", {"runs"}),
        ("negtrace/openclip.py", {"tower", "alignment", "images"}),
        ("negtrace/runs.py", {"runs", "sweep", "attention"}),
        ("negtrace/steps/command.py", set(STEPS)),
    ],
)
def test_edit_affects_only_its_users(copy, edited, affected):
    before = hashes()
    with open(copy / edited, "a") as file:
        file.write("\n# edited\n")
    after = hashes()
    assert {step for step in STEPS if before[step] != after[step]} == affected


def test_hash_does_not_depend_on_where_the_code_lies(copy):
    elsewhere = hashes()
    fingerprint.PACKAGE = Path(fingerprint.__file__).parent
    assert hashes() == elsewhere


def test_libraries_that_need_no_torch_do_not_import_it():
    for step in STEPS:
        modules = fingerprint.closure(f"negtrace.steps.{step}")
        uses_model = step in ("tower", "alignment", "images", "runs", "sweep", "attention")
        allowed = uses_model or step == "report"  # report reads a constant of tower.py
        assert allowed or "negtrace.tower" not in modules, step
    assert "negtrace.openclip" not in fingerprint.closure("negtrace.steps.sweep")
    assert "negtrace.openclip" not in fingerprint.closure("negtrace.steps.runs")
