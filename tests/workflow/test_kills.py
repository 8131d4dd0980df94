"""Runs and jobs that are killed at random moments: the next run ends with the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from checkout import Checkout

KILLED = ("everything", "snakemake alone", "a job alone")
RULES = (
    *("scenes", "weights", "tower", "runs", "sweep", "donor_sweep", "restoration_map"),
    *("figures", "specification", "report"),
)
SERIES = [(KILLED[seed % 3], seed) for seed in range(21)]


def start(study: Checkout, *arguments: str) -> subprocess.Popen[bytes]:
    """A run in a session of its own, which prints into a file."""
    with open(study.folder / "printed.txt", "wb") as printed:
        return subprocess.Popen(
            study.command(*arguments),
            cwd=study.folder,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def await_log(study: Checkout, run: subprocess.Popen[bytes], job: str) -> None:
    log = study.path("logs", f"{job}.log")
    deadline = time.monotonic() + 300
    while not log.exists():
        assert run.poll() is None, "the run ended before the job began"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def steps_of(run: subprocess.Popen[bytes]) -> Iterator[psutil.Process]:
    """Processes of a run's jobs that execute a step, not their shells."""
    for process in psutil.Process(run.pid).children(recursive=True):
        try:
            if process.cmdline()[1:3] == ["-m", "negtrace.steps"]:
                yield process
        except psutil.NoSuchProcess:
            pass


def kill_a_job(run: subprocess.Popen[bytes]) -> None:
    """Kill a step that has surely not ended: it was stopped before."""
    while run.poll() is None:
        for process in steps_of(run):
            with suppress(psutil.NoSuchProcess):
                process.suspend()
                while (status := process.status()) != psutil.STATUS_STOPPED:
                    if status == psutil.STATUS_ZOMBIE:
                        break
                    time.sleep(0.001)
                else:
                    process.kill()
                    return
        time.sleep(0.01)
    pytest.fail("no job was left to kill")


def kill(study: Checkout, run: subprocess.Popen[bytes], what: str) -> list[psutil.Process]:
    """Kill with SIGKILL and make ready for the next run; processes that may still be running."""
    orphans = psutil.Process(run.pid).children(recursive=True)
    if what == "a job alone":
        kill_a_job(run)
        assert run.wait() == 1
        printed = (study.folder / "printed.txt").read_text()
        assert "error: killed by signal 9" in printed.rstrip().splitlines()[-1]
        return []
    if what == "everything":
        os.killpg(run.pid, signal.SIGKILL)
    else:
        run.kill()
    run.wait()
    study.run("--unlock")
    return orphans


def killed_in(study: Checkout, finished: Checkout, rule: str, what: str, moment: float) -> None:
    """Kill a run some seconds after a rule's job began; the next one ends with the same bytes."""
    job = study.undo_from(rule)
    run = start(study)
    await_log(study, run, job)
    time.sleep(moment)
    assert run.poll() is None, "the run ended before it could be killed"
    orphans = kill(study, run, what)
    # Jobs that outlive Snakemake write what the next run writes.
    study.run()
    psutil.wait_procs(orphans, timeout=60)
    assert study.results() == finished.results()
    assert "Nothing to be done" in study.run("-n")


def test_a_run_killed_in_its_report_ends_with_the_same_bytes(study, finished):
    killed_in(study, finished, "report", "everything", 0.2)


@pytest.mark.faults
@pytest.mark.parametrize(("what", "seed"), SERIES)
def test_a_run_killed_at_a_random_moment_ends_with_the_same_bytes(study, finished, what, seed):
    chance = random.Random(seed)
    rule = chance.choice(RULES)
    # Not so late that an idle machine is done: every other rule has the report behind it.
    longest = 0.5 if rule == "report" else 2
    killed_in(study, finished, rule, what, chance.uniform(0, longest))


@pytest.mark.faults
def test_killed_again_and_again_it_still_ends(study, finished):
    chance = random.Random(0)
    study.undo_from("scenes")
    kills = 0
    for _ in range(20):
        run = start(study)
        time.sleep(chance.uniform(2, 12))
        if run.poll() is not None:
            break
        kill(study, run, "everything")
        kills += 1
    assert kills
    study.run()
    assert study.results() == finished.results()


@pytest.mark.faults
def test_of_two_runs_at_once_one_is_told_and_the_other_finishes(study, finished):
    study.undo_from("sweep")
    run = start(study)
    locks = study.folder / ".snakemake" / "locks"
    while not (locks.is_dir() and any(locks.iterdir())):
        time.sleep(0.01)
    assert "note: results are locked: another snakemake works here" in study.run(fails=True)
    assert run.wait() == 0
    assert study.results() == finished.results()


@pytest.mark.faults
def test_two_runs_that_ignore_the_lock_leave_the_same_bytes(study, finished):
    study.undo_from("runs")
    for run in [start(study, "--nolock"), start(study, "--nolock")]:
        run.wait()
    study.run("--nolock")
    assert study.results() == finished.results()
