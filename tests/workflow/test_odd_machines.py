"""The study on machines that are set up oddly: the same bytes, or one clear line."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from checkout import Checkout

FIRST = "scenes"
DAY = 86400
CACHE = str(Path(tempfile.gettempdir(), "cache"))
NOWHERE = "/dev/null/nowhere"  # a folder that not even the superuser can make
LIBFAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in names}


ENVIRONMENTS = {
    "without HOME": without("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"),
    # Snakemake itself makes a folder there, or in XDG_CACHE_HOME, before it reads any workflow.
    "HOME is nowhere": {**os.environ, "HOME": NOWHERE, "XDG_CACHE_HOME": CACHE},
    "without TMPDIR": without("TMPDIR", "TMP", "TEMP"),
    "plain locale": {**without("LANG", "PYTHONUTF8"), "LC_ALL": "C"},
    "almost no variables": {"PATH": "/usr/bin:/bin"},
    "foreign modules": {
        **os.environ,
        "PYTHONPATH": NOWHERE,
        "PYTHONSTARTUP": NOWHERE,
    },
}


def run(study: Checkout, *arguments: str, **options) -> tuple[int, str]:
    done = subprocess.run(
        study.command(*arguments),
        **{"cwd": study.folder, **options},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def without_report(study: Checkout) -> dict[str, str]:
    """Hashes of results but the page, which says with which command and files it was made."""
    return {name: digest for name, digest in study.results().items() if name != "report.html"}


@pytest.mark.faults
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_variables_of_the_shell_change_nothing(study, finished, name):
    study.undo_from(FIRST)
    status, printed = run(study, env=ENVIRONMENTS[name])
    assert status == 0, printed[-3000:]
    assert study.results() == finished.results()


@pytest.mark.parametrize(
    ("umask", "rule"),
    [
        (0o002, "figures"),
        pytest.param(0o002, FIRST, marks=pytest.mark.faults),
        pytest.param(0o077, FIRST, marks=pytest.mark.faults),
    ],
)
def test_files_have_the_modes_that_the_umask_gives(study, finished, umask, rule):
    study.undo_from(rule)
    kept = set(study.results())
    status, printed = run(study, umask=umask, env=without("HOME"))
    assert status == 0, printed[-3000:]
    made = study.results()
    assert made == finished.results()
    assert made.keys() - kept
    for name in made.keys() - kept:
        assert stat.S_IMODE(study.path(name).stat().st_mode) == 0o666 & ~umask, name


def test_a_folder_for_temporary_files_that_is_not_there_is_named(study):
    study.undo_from("report")
    status, printed = run(study, env={**os.environ, "TMPDIR": NOWHERE})
    assert status == 2
    assert printed.splitlines()[-1].startswith(f"error: TMPDIR is '{NOWHERE}'")


@pytest.mark.faults
def test_in_any_folder_and_from_another_one_the_bytes_are_the_same(finished, tmp_path):
    odd = tmp_path / 'a blank, d\'ol$lar (né) & `x` "y" *[z]? ;#~%s'
    study = Checkout.create(odd)
    elsewhere = tmp_path / "où"
    elsewhere.mkdir()
    for name in ("study.yaml", "tiny.json"):
        shutil.copy(odd / name, elsewhere)
    status, printed = run(study, cwd=elsewhere)
    assert status != 0  # there is no Snakefile
    status, printed = run(study, "-s", str(odd / "Snakefile"), "--cores", "2", cwd=elsewhere)
    assert status == 0, printed[-3000:]
    there = Checkout(elsewhere)
    shutil.copy2(finished.path("config.yaml"), there.path())  # says where the workflow's own lie
    assert without_report(there) == without_report(finished)
    status, printed = run(study)
    assert status == 0, printed[-3000:]
    assert study.results() == finished.results()


def dated(study: Checkout, days: int) -> None:
    """Give all that a study has and reads another date."""
    when = time.time() + days * DAY
    for path in [*study.path().rglob("*"), study.folder / "tiny.json"]:
        os.utime(path, (when, when))


@pytest.mark.faults
@pytest.mark.parametrize("days", [-1, 1])
def test_files_of_another_day_rerun_nothing_and_mislead_nobody(study, finished, days):
    dated(study, days)
    assert "Nothing to be done" in study.run("-n")
    study.path("demo", "tiny", "rephrased", "sweep.head.negate.parquet").unlink()
    if days > 0:  # what is made today would be older than what it is made from
        assert "clock skew" in study.run(fails=True)
        dated(study, 0)
    assert study.jobs()["sweep"] == 1
    assert study.results() == finished.results()
    assert "Nothing to be done" in study.run("-n")


@pytest.mark.faults
@pytest.mark.skipif(LIBFAKETIME is None, reason="needs libfaketime (apt-get install faketime)")
def test_a_clock_that_was_set_back_is_named_and_the_run_goes_on(study, finished):
    study.undo_from("sweep")
    # Waiting goes by a clock that nobody sets.
    faked = {"LD_PRELOAD": str(LIBFAKETIME), "FAKETIME": "-3d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    for _ in range(3):
        status, printed = run(study, env={**os.environ, **faked})
        if "[Errno 22] Invalid argument" not in printed:
            break  # on a busy machine the faked clock itself may refuse a short sleep
    assert status != 0
    assert "has older modification time" in printed
    assert "clock skew" in printed
    status, printed = run(study)
    assert status == 0, printed[-3000:]
    assert study.results() == finished.results()
    assert "Nothing to be done" in study.run("-n")


@pytest.mark.faults
@pytest.mark.parametrize("gigabytes", [0.6, 1, 1.5, 2, 3, 4])
def test_too_little_memory_is_said_in_a_line_for_each_job(study, finished, gigabytes):
    study.undo_from("tower")
    limit = int(gigabytes * 2**30)
    status, printed = run(
        study, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    )
    if status:
        assert "Traceback" not in printed
        said = printed.rstrip().splitlines()[-1]
        assert said.strip().startswith("error: "), printed[-3000:]
        assert "memory" in said
    status, printed = run(study)
    assert status == 0, printed[-3000:]
    assert study.results() == finished.results()


@pytest.mark.faults
def test_a_read_only_disk_is_named_and_the_run_goes_on(study, finished, disk):
    study.undo_from("sweep")
    room = disk("64m")
    shutil.copytree(study.path(), room / "results")
    shutil.rmtree(study.path())
    study.path().symlink_to(room / "results")
    subprocess.run(["mount", "-o", "remount,ro", str(room)], check=True)
    status, printed = run(study)
    assert status != 0
    assert "read-only" in printed.rstrip().splitlines()[-1].lower()
    subprocess.run(["mount", "-o", "remount,rw", str(room)], check=True)
    if "locked" in study.run("-n"):
        study.run("--unlock")
    study.run()
    assert study.results() == finished.results()
