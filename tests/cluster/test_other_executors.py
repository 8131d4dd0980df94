"""The profiles for a cluster with a command of its own, and for Kubernetes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from checkout import Checkout
from test_storage import at, server  # noqa: F401

pytestmark = pytest.mark.cluster

# Starts the script on this machine and prints its process as the job's number.
SUBMIT = """#!/bin/sh
echo "$1 MB, $2 minutes, $3 cores, $4 GPUs" >> submissions.txt
sh "$5" > /dev/null 2>&1 &
echo $!
"""
ASKED = "./submit.sh {resources.mem_mb} {resources.runtime} {threads} {resources.gpu}"


def needs(plugin: str) -> None:
    if not find_spec(f"snakemake_executor_plugin_{plugin}"):
        pytest.skip(f"no plugin {plugin}")


def test_a_command_that_submits(tmp_path: Path) -> None:
    needs("cluster_generic")
    study = Checkout.create(tmp_path / "study")
    study.configure(lambda study: study["compute"].update(device="cuda"))
    submit = study.folder / "submit.sh"
    submit.write_text(SUBMIT)
    submit.chmod(0o755)
    study.options = ["--workflow-profile", "profiles/generic", "--latency-wait", "10"]
    on_cpus = [f"{rule}:device=cpu" for rule in ("tower", "alignment", "runs", "attention")]
    study.run(
        *("--cluster-generic-submit-cmd", ASKED),
        *("--set-resources", *on_cpus, "images:device=cpu", "--until", "runs"),
    )
    asked = (study.folder / "submissions.txt").read_text().splitlines()
    # Images; and one group of short runs, which computes one after the other.
    one_run = "1 cores, 1 GPUs"
    assert sorted(asked) == [f"4608 MB, 60 minutes, {one_run}", f"4608 MB, 60 minutes, {one_run}"]
    assert study.path("demo", "tiny", "rephrased", "scores.parquet").exists()


def test_pods_are_planned_from_the_checkout_and_a_bucket(server: str, tmp_path: Path) -> None:  # noqa: F811
    needs("kubernetes")
    study = Checkout.create(tmp_path / "study")
    everywhere = study.jobs("-n")
    study.options = ["--workflow-profile", "profiles/kubernetes", *at(server)]
    study.environment = None
    assert study.jobs("-n") == everywhere
