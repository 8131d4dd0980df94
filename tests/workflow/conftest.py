"""One finished run of the small study for all tests of a session, copies of it, and small disks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkout import Checkout
from filelock import FileLock


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Checkout], None]], Checkout]:
    """Makes a checkout and runs a study in it, once for all processes that run tests."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def made(name: str, run: Callable[[Checkout], None]) -> Checkout:
        folder = root / name
        with FileLock(root / f"{name}.lock"):
            if not (root / f"{name}.done").exists():
                shutil.rmtree(folder, ignore_errors=True)
                run(Checkout.create(folder))
                (root / f"{name}.done").touch()
        return Checkout(folder)

    return made


@pytest.fixture(scope="session")
def finished(once) -> Checkout:
    """The small study, run once, by the interpreter itself."""

    def run(checkout: Checkout) -> None:
        checkout.preloaded = False
        checkout.run()

    return once("finished", run)


@pytest.fixture
def study(finished, tmp_path) -> Checkout:
    """A copy of the finished study, times included."""
    shutil.copytree(finished.folder, tmp_path / "study", symlinks=True)
    return Checkout(tmp_path / "study")


@pytest.fixture
def with_model(finished) -> Callable[[Path], Checkout]:
    """Makes a checkout in which the small study's model is loaded, and nothing else is there."""
    results = finished.folder / "results"

    def others(folder: str, names: list[str]) -> set[str]:
        return {*names} - {"models"} if Path(folder) == results else {"study_tests.parquet"}

    def copied(folder: Path) -> Checkout:
        shutil.copytree(finished.folder, folder, symlinks=True, ignore=others, dirs_exist_ok=True)
        return Checkout(folder)

    return copied


@pytest.fixture
def disk(tmp_path) -> Iterator[Callable[[str], Path]]:
    """Mounts a disk of a size, as "3m"; only the superuser may."""
    folder = tmp_path / "disk"

    def mount(size: str) -> Path:
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("a small disk cannot be mounted here")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", "-l", str(folder)], check=True)
