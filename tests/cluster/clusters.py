"""Fixtures: a Slurm cluster for each test, or the reason why there is none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import toy_slurm
from toy_slurm import ToySlurm

PACKAGES = "slurmctld slurmd slurm-client munge"


def _cluster(accounting: bool) -> Iterator[ToySlurm]:
    if not find_spec("snakemake_executor_plugin_slurm"):
        pytest.skip('no Slurm plugin: pip install ".[slurm]"')
    if absent := toy_slurm.missing(accounting):
        packages = PACKAGES + (" slurmdbd mariadb-server" if accounting else "")
        pytest.skip(f"no {', '.join(absent)}: apt-get install {packages}")
    # A short path, since sockets lie in it, which the database's user may enter.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    try:
        with ToySlurm(folder, accounting) as cluster:
            yield cluster
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def cluster() -> Iterator[ToySlurm]:
    yield from _cluster(accounting=False)


@pytest.fixture
def cluster_with_accounts() -> Iterator[ToySlurm]:
    yield from _cluster(accounting=True)
