"""Editing a module changes the hash of exactly the steps that use it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from negtrace.study import code_hash, step_source

STEPS = sorted(step_source.steps())

LOADING = {"tower", "alignment", "images", "identity"}
RUNNING = {
    *("tower", "alignment", "runs", "sweep", "donor_sweep", "attention", "identity"),
    *("contributions", "ablation", "edges", "circuit", "attribution", "mending"),
    *("directions", "head_writes"),
}
SWEEPING = {
    *("sweep", "donor_sweep", "ablation", "edges", "circuit", "mending"),
    *("directions", "head_writes"),
}
ENGINE = SWEEPING | {"runs"}
MODEL_STEPS = RUNNING | LOADING | {"subject_segmentation"}
FEATURES = {"features", "attention_maps"}
DRAWING = {"figures", "planted", "template_figure"}
GROUPED = {
    *("segments", "restoration_map", "study_tests", "attention_maps"),
    *("contribution_map", "contributions", "ablation", "specification", "report", "template_maps"),
    *("confounds", "edges", "edge_map", "circuit", "attribution_map"),
    *("atlas", "head_matches", "base_difference", "mending"),
    *("directions", "direction_map", "head_writes", "mechanism"),
}


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Iterator[Path]:
    """The workflow folder copied, so that modules can be edited."""
    workflow = tmp_path / "workflow"
    shutil.copytree(code_hash.PACKAGE, workflow / "negtrace")
    for folder in ("report", "schemas", "published"):
        shutil.copytree(code_hash.PACKAGE.parent / folder, workflow / folder)
    monkeypatch.setattr(code_hash, "PACKAGE", workflow / "negtrace")
    monkeypatch.setattr(step_source, "PACKAGE", workflow / "negtrace")
    monkeypatch.setattr(step_source, "TABLES_FILE", workflow / "schemas/tables.json")
    for module, folder in (("report.page", "report"), ("replication.published", "published")):
        monkeypatch.setitem(code_hash.DATA_FOLDERS, f"negtrace.{module}", workflow / folder)
    yield workflow
    forget()


def forget() -> None:
    """Clear the caches, which hold for one process because code does not change under it."""
    for module in (code_hash, step_source):
        for name in vars(module).values():
            if hasattr(name, "cache_clear"):
                name.cache_clear()


def hashes() -> dict[str, str]:
    forget()
    return {step: code_hash.code_hash(step) for step in STEPS}


@pytest.mark.parametrize(
    ("edited", "affected"),
    [
        ("negtrace/patching/restoration.py", ENGINE),
        ("negtrace/patching/tail_block.py", ENGINE | {"attribution"}),
        ("negtrace/patching/tails.py", ENGINE | {"attribution"}),
        ("negtrace/patching/donor_sweeps.py", {"donor_sweep", "edges", "head_writes"}),
        (
            "negtrace/statistics/donor_map.py",
            {"restoration_map", "edge_map", "circuit", "direction_map", "mechanism"},
        ),
        ("negtrace/patching/forward_passes.py", RUNNING),
        ("negtrace/models/linear.py", MODEL_STEPS),
        ("negtrace/models/openclip.py", LOADING),
        ("negtrace/models/model_specs.py", LOADING | {"weights"}),
        ("negtrace/figures/maps.py", {"figures"}),
        (
            "negtrace/figures/style.py",
            {*DRAWING, "ledger", "specification"},
        ),
        ("negtrace/data/demo_world/scenes.py", {"scenes"}),
        ("negtrace/analyses/attention.py", {"attention"}),
        ("negtrace/analyses/features.py", {*FEATURES, "figures"}),
        ("negtrace/statistics/groups.py", GROUPED),
        ("report/template.html.j2", {"report"}),
        ("published/quantmeyer2024.json", {"ledger", "report", "identity", "pictures"}),
        ("negtrace/errors.py", set()),
        ("negtrace/messages.py", set()),
        ("negtrace/progress.py", set()),
        ("negtrace/steps/job.py", set()),
        ("negtrace/steps/command_line.py", set()),
        ("negtrace/study/settings.py", set()),
    ],
)
def test_edit_affects_only_its_users(copy, edited, affected):
    before = hashes()
    with open(copy / edited, "a") as file:
        file.write("\n# edited\n")
    after = hashes()
    assert {step for step in STEPS if before[step] != after[step]} == affected


def replaced(copy: Path, file: str, old: str, new: str) -> set[str]:
    """Steps whose hash changes when a text in a file does."""
    before = hashes()
    text = (copy / file).read_text()
    assert text.count(old) == 1
    (copy / file).write_text(text.replace(old, new))
    after = hashes()
    return {step for step in STEPS if before[step] != after[step]}


def test_an_edited_step_affects_itself_alone(copy):
    changed = replaced(copy, "negtrace/steps/sweeps.py", "if loaded.dtype.itemsize < 4", "if False")
    assert changed == {"sweep"}


@pytest.mark.parametrize(
    ("old", "new", "affected"),
    [
        ('"Items by d"', '"Items"', {"figures", "specification", "report"}),
        ('Role("edit", "tokens that differ")', 'Role("edit", "others")', DRAWING | {"report"}),
    ],
)
def test_an_edited_word_affects_those_who_use_it(copy, old, new, affected):
    assert replaced(copy, "negtrace/vocabulary.py", old, new) == affected


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
        "import negtrace.patching.slow_twin",
        "from negtrace.patching import slow_twin",
        "from negtrace.patching.slow_twin import anything",
        "from . import slow_twin",
        "from .slow_twin import anything",
        "def later():\n    from negtrace.patching import slow_twin",
    ],
)
def test_every_form_of_import_is_followed(copy, line):
    with open(copy / "negtrace/patching/restoration.py", "a") as file:
        file.write(f"\n{line}\n")
    forget()
    assert "negtrace.patching.slow_twin" in modules("sweep")


def modules(step: str) -> set[str]:
    return code_hash.closure(code_hash.own_definitions(step).imported)


def test_only_steps_that_run_a_model_use_a_tower():
    for step in STEPS:
        assert ("negtrace.models.tower" in modules(step)) == (step in MODEL_STEPS), step
    for step in ("sweep", "runs", "attention"):
        assert "negtrace.models.openclip" not in modules(step)


def test_a_step_counts_no_more_than_the_definitions_that_it_uses(copy):
    with open(copy / "negtrace/steps/maps.py", "a") as file:
        file.write(
            "\n\ndef of_nobody():\n    from negtrace.patching import sites\n    return sites\n"
        )
    forget()
    assert "negtrace.patching.sites" not in modules("segments")
