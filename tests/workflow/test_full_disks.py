"""Disks that fill up in the middle of a run: one line says so, and with room again it goes on."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from checkout import Checkout

STAGES = ("scenes", "items", "tower", "runs", "sweep", "donor_sweep", "figures", "report")


def fill(folder: Path, left: int) -> Path:
    """A file that leaves so many bytes on its disk."""
    free = shutil.disk_usage(folder).free
    filler = folder / "filler"
    filler.write_bytes(bytes(free - left))
    return filler


@pytest.mark.faults
@pytest.mark.parametrize("left", [0, 40_960])
@pytest.mark.parametrize("stage", STAGES)
def test_a_disk_that_fills_up_is_named_and_the_run_goes_on(study, finished, disk, stage, left):
    study.undo_from(stage)
    room = disk("64m")
    shutil.copytree(study.path(), room / "results")
    shutil.rmtree(study.path())
    study.path().symlink_to(room / "results")
    filler = fill(room, left)
    printed = study.run("--keep-going", fails=True)
    assert re.search(r"disk (of \S+ )?is full; free some space", printed.splitlines()[-1]), printed
    assert "Traceback" not in printed
    filler.unlink()
    study.run()
    assert study.results() == finished.results()


@pytest.mark.faults
@pytest.mark.parametrize("left", [0, 40_960])
def test_a_full_disk_under_the_whole_checkout(study, finished, disk, left):
    study.undo_from("sweep")
    room = disk("128m")
    shutil.copytree(study.folder, room / "study", symlinks=True)
    study = Checkout(room / "study")
    filler = fill(room, left)
    printed = study.run(fails=True)
    assert "full; free some space" in printed or "No space left on device" in printed
    filler.unlink()
    if "locked" in study.run("-n"):
        study.run("--unlock")
    study.run()
    assert study.results() == finished.results()
