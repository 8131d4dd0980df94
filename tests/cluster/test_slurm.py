"""Studies by submission to a Slurm cluster of two nodes: whole, under faults, and interrupted."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT, Checkout
from toy_slurm import ToySlurm

pytestmark = pytest.mark.cluster
pytest_plugins = ["clusters"]

DEMO_WEIGHTS = "workflow/demo/negtrace-demo.safetensors"
# Seconds after which a busy machine is no excuse.
SLOW = 3600
# As in the profile, but quick to look.
QUICK = ("--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "10")


def submitting(checkout: Checkout, cluster: ToySlurm) -> Checkout:
    """The same checkout, whose runs go to the cluster."""
    checkout.environment = cluster.environment
    checkout.options = ["--workflow-profile", "profiles/slurm", *QUICK]
    if cluster.accounting:
        resources = ("slots=1", "mem_mb=3000 * attempt", "runtime=10 * attempt")
        checkout.options += ["--default-resources", *resources, "slurm_account=lab"]
    return checkout


class Run:
    """Snakemake beside the test; ends with it."""

    def __init__(self, checkout: Checkout, *arguments: str) -> None:
        self._screen = checkout.folder / "screen.txt"
        with self._screen.open("ab") as screen:
            self.process = subprocess.Popen(
                checkout.command(*arguments),
                cwd=checkout.folder,
                env=checkout.environment,
                stdout=screen,
                stderr=subprocess.STDOUT,
                # Where the tests run in the background, Ctrl-C is ignored.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()

    def finish(self) -> None:
        """Wait for its end, which is a good one."""
        assert self.process.wait(SLOW) == 0, self._screen.read_text()[-5000:]

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to happen while it runs."""
        until(lambda: self._running() and condition())

    def _running(self) -> bool:
        assert self.process.poll() is None, self._screen.read_text()[-5000:]
        return True


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SLOW
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def assert_whole(checkout: Checkout) -> None:
    """All results are there, with their seals, and made from one another."""
    assert "Nothing to be done" in checkout.run("-n")
    checkout.environment = None
    checkout.options = ["--config", "compute={device: cpu}", "--cores", "1"]
    checkout.run("verify")


def sharded(study: dict[str, Any]) -> None:
    study["study"]["donors"] = []
    study["compute"]["shards"] = 2


def states(jobs: Iterable[dict[str, str]]) -> list[str]:
    return [job["JobState"] for job in jobs]


def room(job: dict[str, str]) -> tuple[int, int]:
    """Megabytes and minutes that a job asked for."""
    memory = job["MinMemoryNode"]
    days, _, clock = job["TimeLimit"].rpartition("-")
    hours, minutes, _ = clock.split(":")
    megabytes = int(float(memory[:-1]) * {"M": 1, "G": 1024}[memory[-1]])
    return megabytes, (int(days or 0) * 24 + int(hours)) * 60 + int(minutes)


def test_the_default_study_in_at_most_eight_submissions(cluster: ToySlurm, tmp_path: Path) -> None:
    local, remote = (Checkout.create(tmp_path / name) for name in ("local", "remote"))
    for checkout in (local, remote):
        shutil.copy2(ROOT / DEMO_WEIGHTS, checkout.folder / DEMO_WEIGHTS)
        checkout.studies = []
    submitting(remote, cluster)
    # As many threads: numbers depend on them in the last digits.
    with Run(local, "--cores", "2") as beside, Run(remote) as submitted:
        submitted.finish()
        beside.finish()
    jobs = cluster.jobs().values()
    assert set(states(jobs)) == {"COMPLETED"}
    assert len(jobs) <= 8
    assert {job["NodeList"] for job in jobs} == {"n1", "n2"}
    assert remote.results() == local.results()
    assert "Nothing to be done" in remote.run("-n")


def test_every_fault_is_retried_with_more_room(cluster: ToySlurm, tmp_path: Path) -> None:
    study, local = (Checkout.create(tmp_path / name) for name in ("study", "local"))
    for checkout in (study, local):
        checkout.configure(sharded)
    submitting(study, cluster)
    asked = ("images:mem_mb=600 * attempt", "sweep:runtime=1 if attempt == 1 else 60")
    with Run(study, "--set-resources", *asked) as run:
        # Two sites, two shards of each: every one is a job of its own.
        run.until(lambda: states(cluster.jobs_of("sweep")) == ["RUNNING"] * 4)
        first = cluster.jobs_of("sweep")
        for step in (f"{job['JobId']}.0" for job in first):
            # Stopped, so that none is done before its fault.
            run.until(lambda step=step: step in cluster.run("squeue", "--noheader", "--steps"))
            cluster.run("scancel", "--signal=STOP", step)
        down = first[0]["NodeList"]
        cancelled, late = [job["JobId"] for job in first if job["NodeList"] != down]
        cluster.run("scancel", cancelled)
        cluster.run("scontrol", "update", f"nodename={down}", "state=down", "reason=test")
        run.until(lambda: cluster.jobs()[first[0]["JobId"]]["JobState"] == "NODE_FAIL")
        cluster.run("scontrol", "update", f"nodename={down}", "state=resume")
        run.finish()
    ends = {number: job["JobState"] for number, job in cluster.jobs().items()}
    assert (ends[cancelled], ends[late]) == ("CANCELLED", "TIMEOUT")
    images = cluster.jobs_of("images")
    # What was ended is the step inside; the job around it reports a failure.
    assert states(images) == ["FAILED", "COMPLETED"]
    log = next(study.folder.glob(f".snakemake/slurm_logs/rule_images/*/{images[0]['JobId']}.log"))
    assert "exceeded memory limit" in log.read_text()
    assert room(images[1])[0] == 2 * room(images[0])[0]
    retried = cluster.jobs_of("sweep")[4:]
    assert states(retried) == ["COMPLETED"] * 4
    assert set(map(room, retried)) == {(2 * room(first[0])[0], 60)}
    assert_whole(study)
    local.run()
    assert study.results() == local.results()


def test_interrupted_with_accounts_gpus_and_arrays(
    cluster_with_accounts: ToySlurm, tmp_path: Path
) -> None:
    cluster = cluster_with_accounts
    study = submitting(Checkout.create(tmp_path / "study"), cluster)
    study.configure(lambda config: (sharded(config), config["compute"].update(device="cuda")))
    # Jobs get a GPU that is none, and compute beside it.
    model_rules = ("tower", "alignment", "images", "runs", "attention", "sweep")
    study.options += ["--set-resources", *(f"{rule}:device=cpu" for rule in model_rules)]
    study.run("--slurm-status-command", "sacct", "--until", "runs")
    assert cluster.run("sacct", "-X", "-n", "-o", "state").split() == ["COMPLETED"] * 2
    there = study.times("**/*.parquet")
    assert any(path.name == "scores.parquet" for path in there)
    study.options += ["--slurm-array-jobs", "sweep"]

    def running() -> bool:
        return "RUNNING" in states(cluster.jobs_of("sweep"))

    with Run(study) as run:
        run.until(running)
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(SLOW) != 0
    until(lambda: not cluster.run("squeue", "--noheader").strip())
    with Run(study) as run:
        run.until(running)
        run.process.kill()
    assert "snakemake --unlock" in study.run(fails=True)
    study.run("--unlock")
    with Run(study) as run:
        run.finish()
    assert {path: path.stat().st_mtime_ns for path in there} == there
    assert_whole(study)
    assert {job["Account"] for job in cluster.jobs().values()} == {"lab"}
    sweeps = cluster.jobs_of("sweep")
    assert "CANCELLED" in states(sweeps)
    assert all("ArrayTaskId" in job for job in sweeps)
    for rule in ("images", "short_runs", "sweep"):
        assert all("gpu:1" in str(job) for job in cluster.jobs_of(rule)), rule
    tables = cluster.jobs_of("tables")
    assert tables
    assert not any("gpu" in str(job) for job in tables)
