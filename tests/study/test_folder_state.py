"""A folder's state changes with the files that were read, and with nothing else."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from negtrace.study.folder_state import files_in, record, stamps, state_of
from negtrace.tables.store import sha256


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("a.png", "deep/er/b.JPG", "no_ending"):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "pictures"


def read(folder: Path, names: list[str], state: str = "") -> Path:
    """What a step leaves that has read the files."""
    left = folder.parent / "files_read.json"
    stamped = stamps(folder, names)
    hashes = {name: sha256(folder / name) for name, stamp in stamped.items() if stamp}
    left.write_text(json.dumps(record(state, stamped, hashes)))
    return left


def state(left: Path, folder: Path, whole: bool = False) -> str:
    state_of.cache_clear()
    return state_of(left, folder, whole)


def in_place(path: Path) -> None:
    """Another content of the same size, as an editor leaves it."""
    path.write_bytes(path.read_bytes()[::-1])
    later = time.time_ns() + 1_000_000_000
    os.utime(path, ns=(later, later))


CHANGES = {
    "edited in place": lambda folder: in_place(folder / "a.png"),
    "edited in a sub-folder": lambda folder: in_place(folder / "deep/er/b.JPG"),
    "longer, with the old time": lambda folder: longer(folder / "a.png"),
    "deleted in a sub-folder": lambda folder: (folder / "deep/er/b.JPG").unlink(),
    "a missing one added": lambda folder: (folder / "missing.png").write_bytes(b"here"),
    "a folder in its place": lambda folder: (
        (folder / "a.png").unlink(),
        (folder / "a.png").mkdir(),
    ),
}


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def longer(path: Path) -> None:
    before = path.stat()
    path.write_bytes(path.read_bytes() + b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_a_file_that_was_read_is_seen_until_it_is_read_again(folder, change):
    names = ["a.png", "deep/er/b.JPG", "missing.png", "no_ending"]
    left = read(folder, names)
    assert state(left, folder) == ""
    change(folder)
    changed = state(left, folder)
    assert changed
    assert state(left, folder) == changed
    if not (folder / "a.png").is_dir():
        assert state(read(folder, names, changed), folder) == changed


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: [os.utime(folder / name, ns=(1, 1)) for name in files_in(folder)],
        lambda folder: (folder / ".DS_Store").write_bytes(b"x"),
        lambda folder: (folder / "Thumbs.db").write_bytes(b"x"),
        lambda folder: (folder / "named_by_no_item.png").write_bytes(b"x"),
        lambda folder: (folder / "deep" / "loop").symlink_to(folder),
    ],
    ids=["touched", "DS_Store", "Thumbs", "not named", "loop"],
)
def test_other_changes_are_none(folder, change):
    left = read(folder, ["a.png", "deep/er/b.JPG", "no_ending"])
    change(folder)
    assert state(left, folder) == ""


def test_in_a_whole_folder_every_file_counts_but_hidden_ones(folder):
    left = read(folder, list(files_in(folder)))
    for name in (".DS_Store", ".git/index", "desktop.ini"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    assert state(left, folder, whole=True) == ""
    (folder / "metadata.csv").write_bytes(b"new")
    assert state(left, folder, whole=True)


def test_two_changes_in_turn_have_states_of_their_own(folder):
    left = read(folder, ["a.png"])
    first = (in_place(folder / "a.png"), state(left, folder))[1]
    left = read(folder, ["a.png"], first)
    second = (in_place(folder / "a.png"), state(left, folder))[1]
    assert len({"", first, second}) == 3


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"state": "x"}', "null"])
def test_a_damaged_record_counts_as_none(folder, text):
    left = folder.parent / "files_read.json"
    left.write_text(text)
    assert state(left, folder) == ""


def test_many_files_are_looked_at_without_opening_them(folder):
    names = [f"{number}.png" for number in range(20_000)]
    for name in names:
        os.close(os.open(folder / name, os.O_CREAT))
    left = folder.parent / "files_read.json"
    left.write_text(json.dumps(record("x", stamps(folder, names), dict.fromkeys(names, "hash"))))
    for name in names:  # what cannot be opened is not missed
        os.chmod(folder / name, 0)
    started = time.monotonic()
    assert state(left, folder) == "x"
    assert time.monotonic() - started < 5
