"""Checkouts in odd folders, and runs that fail: what is run, and what is said last."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import Checkout

KILLED = "import os\nos.kill(os.getpid(), 9)\n"
ITEMS = "results/demo/items.parquet"


def snakemake(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run Snakemake with the small study, from any folder; its status and what it printed."""
    done = subprocess.run(
        [Path(sys.executable).with_name("snakemake"), "--nocolor", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def make(checkout: Checkout, *arguments: str) -> tuple[int, str]:
    return snakemake(checkout.folder, *arguments, "--configfile", "study.yaml")


def last(printed: str, lines: int = 2) -> list[str]:
    return printed.rstrip().splitlines()[-lines:]


@pytest.fixture
def study(tmp_path) -> Checkout:
    return Checkout.create(tmp_path / "study")


def test_any_path_and_any_module_beside_it_is_right(tmp_path):
    study = Checkout.create(tmp_path / "a d'ol$(touch x)`touch y`\"é")
    for name in ("statistics", "random", "json"):
        (study.folder / f"{name}.py").write_text("raise SystemExit(3)\n")
    (study.folder / "negtrace").mkdir()
    (study.folder / "negtrace" / "__init__.py").write_text("raise SystemExit(4)\n")
    status, printed = make(study, ITEMS)
    assert status == 0, printed
    assert not {"x", "y"} & {path.name for path in study.folder.iterdir()}


@pytest.mark.parametrize("name", ["col:on", "br{x}ace", "line\nbreak"])
def test_a_path_that_cannot_work_is_refused_at_once(tmp_path, name):
    study = Checkout.create(tmp_path / name)
    status, printed = make(study, "-n", ITEMS)
    assert status == 2
    assert last(printed, 1)[0].startswith("error: ")
    assert "move the checkout" in last(printed, 1)[0]


def test_the_workflow_runs_from_another_folder(study, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("negtrace-demo.json", "negtrace-demo.safetensors"):
        (study.folder / "workflow" / "demo" / name).touch()
    arguments = ("-n", "-s", str(study.folder / "Snakefile"), "--cores", "1")
    status, printed = snakemake(elsewhere, *arguments)
    assert status == 0, printed


def test_a_failed_job_speaks_last(study):
    (study.folder / "tiny.json").write_text('{"embed_dim": 24')
    status, printed = make(study, "results/models/tiny/weights.json")
    assert status == 1
    said, error = last(printed)
    assert said == "weights failed (results/logs/weights.tiny.log):"
    assert error.startswith("  error: tiny.json: no readable model configuration")


def test_a_run_says_what_it_plans_and_a_line_for_each_job(study):
    status, printed = make(study, "-n", ITEMS)
    assert status == 0
    assert len(printed.splitlines()) < 12
    status, printed = make(study, ITEMS)
    assert status == 0
    planned, done = printed.split("total")
    assert "results/" not in planned
    assert [line for line in done.splitlines() if line.startswith("[")] == [
        "[1/2] scenes, demo",
        "[2/2] items, demo",
    ]
    assert ITEMS not in done
    (log,) = (study.folder / ".snakemake/log").glob("*.log")
    assert ITEMS in log.read_text()
    assert "items.parquet: 24 rows" in (study.folder / "results/logs/items.demo.log").read_text()
    status, printed = make(study, "--forceall", "--printshellcmds", ITEMS)
    assert "python -m negtrace.steps items" in printed


def test_a_killed_job_says_so_in_its_log_and_last(study):
    (study.folder / "workflow/negtrace/data/demo_world/scenes.py").write_text(KILLED)
    _, printed = make(study, ITEMS)
    assert "killed by signal 9: out of memory?" in last(printed)[1]
    assert "killed by signal 9" in (study.folder / "results/logs/scenes.demo.log").read_text()


def test_a_step_that_fails_before_a_pipe_fails_its_rule(study):
    (study.folder / "workflow/negtrace/data/demo_world/scenes.py").write_text(
        "raise SystemExit(5)\n"
    )
    rules = study.folder / "workflow/rules/datasets.smk"
    text = rules.read_text()
    assert text.count('shell_line("scenes")') == 1
    rules.write_text(text.replace('shell_line("scenes")', 'shown_line("scenes")'))
    status, printed = make(study, ITEMS)
    assert status == 1
    assert "failed: scenes (results/logs/scenes.demo.log)" in printed


def test_prefetch_without_a_mirror_fails_at_once(study):
    for dry in ((), ("-n",)):
        status, printed = make(study, "prefetch", *dry)
        assert status == 2
        assert last(printed, 1) == [
            "error: there is no mirror to fill: set downloads.mirror to a folder"
        ]
    assert not study.path().exists()


def test_what_the_machine_lacks_is_said_by_a_dry_run(study):
    status, printed = make(study, "-n", ITEMS)
    assert status == 0, printed
    study.configure(lambda config: config["compute"].update(device="cuda"))
    done = subprocess.run(
        [*study.command("-n", ITEMS)],
        cwd=study.folder,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "compute.device is cuda, but this machine has none" in done.stderr


def test_a_dataset_may_be_called_like_a_control(study):
    entry = {"kind": "scenes", "items": 5, "seed": 2}

    def change(config):
        config["datasets"]["demo-neutral"] = entry
        config["study"]["datasets"] = ["demo", "demo-neutral"]

    study.configure(change)
    status, printed = make(study, "-n")
    assert status == 0, printed
    assert "control" not in printed
    study.configure(lambda c: (change(c), c["study"].update(controls=["neutral"])))
    status, printed = make(study, "-n")
    assert status == 2
    assert "datasets.demo-neutral, which is there already; rename" in last(printed, 1)[0]


def test_a_full_disk_is_named_with_its_remedy(study, disk):
    study.path().symlink_to(disk("3m"))
    study.configure(lambda config: config["datasets"]["demo"].update(items=20000))
    status, printed = make(study, ITEMS)
    assert status == 1
    assert "full; free some space and run again" in last(printed)[1]
    assert "Traceback" not in printed


def test_a_read_only_folder_is_named(study, disk):
    small_disk = disk("3m")
    study.path().symlink_to(small_disk)
    (small_disk / "logs").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    status, printed = make(study, ITEMS)
    assert status != 0
    assert "read-only" in printed.lower()
