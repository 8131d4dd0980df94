"""Members of an archive on a real (local) server that misbehaves."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from http_server import serve

from negtrace.fetching.downloads import Downloads, Outcome, mirror_path
from negtrace.fetching.zip_members import fetch_members

QUICK = Downloads(attempts=4, backoff_s=0.001, timeout_s=5)
ZIP = "/data/images.zip"
NAMES = [f"images/{number}.jpg" for number in range(40)]


@pytest.fixture
def server():
    with serve({ZIP: zipped({name: member(name) for name in NAMES})}) as running:
        yield running


def member(name: str) -> bytes:
    return hashlib.sha512(name.encode()).digest() * 200


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return memory.getvalue()


def ranges(server) -> list[str | None]:
    return [request.range for request in server.asked(ZIP)]


def fetch_all(server, folder: Path, names=NAMES, downloads=QUICK) -> dict[str, Outcome]:
    members = {name: folder / name for name in names}
    return fetch_members(server.url(ZIP), members, downloads, folder / "whole.zip")


def leftovers(folder: Path) -> list[str]:
    """Names of files that no caller asked for."""
    return sorted(p.name for p in folder.rglob("*") if ".part" in p.name or ".tmp" in p.name)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_only_the_members_and_one_directory_travel(server, tmp_path, compression):
    server.files[ZIP] = zipped({name: member(name) for name in NAMES}, compression)
    wanted = [NAMES[-1], NAMES[3], NAMES[17]]
    assert fetch_all(server, tmp_path, wanted) == {name: Outcome("network") for name in wanted}
    assert all((tmp_path / name).read_bytes() == member(name) for name in wanted)
    directory, *parts = ranges(server)
    assert directory == "bytes=-65536"
    assert len(parts) == 3
    assert len(set(parts)) == 3
    assert leftovers(tmp_path) == []


def test_a_large_directory_is_read_once(server, tmp_path):
    names = [f"images/{number:06}.jpg" for number in range(2000)]
    server.files[ZIP] = zipped(dict.fromkeys(names, b"x"))
    fetch_all(server, tmp_path, names[:50])
    assert len(server.requests) == 52  # the end, the directory, 50 members


def test_members_that_are_there_are_not_fetched(server, tmp_path):
    fetch_all(server, tmp_path, NAMES[:5])
    server.requests.clear()
    assert fetch_all(server, tmp_path, NAMES[:5]) == dict.fromkeys(NAMES[:5], Outcome("present"))
    assert server.requests == []


@pytest.mark.parametrize("connections", [1, 3])
def test_no_more_connections_than_allowed(server, tmp_path, connections):
    server.behave(ZIP, delay_s=0.01)
    fetch_all(server, tmp_path, downloads=Downloads(connections=connections))
    assert server.peak == connections


def test_cut_and_damaged_members_are_tried_again(server, tmp_path):
    server.behave(ZIP, cut_after=5000, times=5)
    outcomes = fetch_all(server, tmp_path, NAMES[:2], Downloads(attempts=9, backoff_s=0.001))
    assert set(outcomes.values()) == {Outcome("network")}
    assert all((tmp_path / name).read_bytes() == member(name) for name in NAMES[:2])


def test_a_member_with_a_wrong_checksum_is_not_written(server, tmp_path):
    content = bytearray(server.files[ZIP])
    content[content.index(member(NAMES[1])) + 10] ^= 1
    server.files[ZIP] = bytes(content)
    outcomes = fetch_all(server, tmp_path, NAMES[:3])
    assert [outcome.origin for outcome in outcomes.values()] == ["network", None, "network"]
    assert "Bad CRC-32" in outcomes[NAMES[1]].fault
    assert "after 4 attempts" in outcomes[NAMES[1]].fault
    assert not (tmp_path / NAMES[1]).exists()
    assert leftovers(tmp_path) == []


def test_an_encrypted_member_is_a_fault(server, tmp_path):
    content = bytearray(server.files[ZIP])
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(signature) + flags] |= 1
    server.files[ZIP] = bytes(content)
    outcomes = fetch_all(server, tmp_path, NAMES[:2])
    assert "cannot be unpacked" in outcomes[NAMES[0]].fault
    assert outcomes[NAMES[1]] == Outcome("network")


def test_a_member_that_is_not_in_the_archive_is_a_fault(server, tmp_path):
    outcomes = fetch_all(server, tmp_path, [NAMES[0], "images/none.jpg"])
    assert outcomes[NAMES[0]] == Outcome("network")
    assert outcomes["images/none.jpg"] == Outcome(None, "images/none.jpg is not in the archive")


@pytest.mark.parametrize("refusal", [False, 405, 416])
def test_without_ranges_the_whole_archive_is_fetched_once(server, tmp_path, refusal):
    server.behave(ZIP, ranges=refusal)
    assert set(fetch_all(server, tmp_path, NAMES[:5]).values()) == {Outcome("network")}
    assert (tmp_path / NAMES[4]).read_bytes() == member(NAMES[4])
    assert ranges(server) == ["bytes=-65536", None]
    assert fetch_all(server, tmp_path)[NAMES[39]] == Outcome("network")
    assert len(server.requests) == 2


@pytest.mark.parametrize("refusal", [True, False])
def test_an_archive_that_is_none_is_a_fault_of_every_member(server, tmp_path, refusal):
    server.behave(ZIP, ranges=refusal)
    server.files[ZIP] = b"<html>moved</html>" * 5000
    fault = Outcome(None, "not a zip archive")
    assert fetch_all(server, tmp_path, NAMES[:2]) == dict.fromkeys(NAMES[:2], fault)
    assert not (tmp_path / "whole.zip").exists()
    server.behave(ZIP, status=404)
    fault = Outcome(None, "HTTP 404 Not Found")
    assert fetch_all(server, tmp_path, NAMES[:2]) == dict.fromkeys(NAMES[:2], fault)


def test_a_mirrored_archive_is_used_where_it_lies(server, tmp_path):
    downloads = Downloads(mirror=tmp_path / "mirror", offline=True)
    archive = mirror_path(server.url(ZIP), tmp_path / "mirror")
    archive.parent.mkdir(parents=True)
    archive.write_bytes(server.files[ZIP])
    outcomes = fetch_all(server, tmp_path / "out", [*NAMES[:3], "none"], downloads)
    assert [outcome.origin for outcome in outcomes.values()] == ["mirror"] * 3 + [None]
    assert (tmp_path / "out" / NAMES[2]).read_bytes() == member(NAMES[2])
    archive.write_bytes(b"no zip")
    outcome = fetch_all(server, tmp_path / "out", NAMES[3:4], downloads)[NAMES[3]]
    assert outcome == Outcome(None, f"{archive} is not a zip archive; remove or replace it")
    assert server.requests == []


def test_a_mirrored_folder_of_members_is_completed_from_the_network(server, tmp_path):
    downloads = Downloads(mirror=tmp_path / "mirror")
    mirrored = mirror_path(server.url(ZIP), tmp_path / "mirror") / NAMES[0]
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(b"mirrored")
    outcomes = fetch_all(server, tmp_path / "out", NAMES[:2], downloads)
    assert [outcome.origin for outcome in outcomes.values()] == ["mirror", "network"]
    assert (tmp_path / "out" / NAMES[0]).read_bytes() == b"mirrored"


def test_offline_members_are_faults(server, tmp_path):
    outcomes = fetch_all(server, tmp_path, NAMES[:2], Downloads(offline=True))
    assert {outcome.fault for outcome in outcomes.values()} == {
        "not in the mirror, and downloads are offline"
    }
    assert server.requests == []
