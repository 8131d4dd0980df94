"""Files from a real (local) server that misbehaves in every way the module promises to bear."""

from __future__ import annotations

import hashlib
import itertools
import multiprocessing
import os
import time
from pathlib import Path

import pytest
from http_server import serve

from negtrace.errors import InputError
from negtrace.fetching.downloads import Downloads, Outcome, mirror_path
from negtrace.fetching.files import fetch_file, fetch_files
from negtrace.steps.inputs import annotations

CONTENT = bytes(itertools.islice(itertools.cycle(range(251)), 300_000))
DIGEST = hashlib.sha256(CONTENT).hexdigest()
QUICK = Downloads(attempts=4, backoff_s=0.001, timeout_s=5)


@pytest.fixture
def server():
    with serve({"/file.bin": CONTENT}) as running:
        yield running


def ranges(server) -> list[str | None]:
    return [request.range for request in server.asked("/file.bin")]


def leftovers(folder: Path) -> list[str]:
    """Names of files that no caller asked for."""
    return sorted(p.name for p in folder.rglob("*") if ".part" in p.name or ".tmp" in p.name)


def test_a_file_is_fetched_once(server, tmp_path):
    path = tmp_path / "new" / "file.bin"
    assert fetch_file(server.url("/file.bin"), path, QUICK, DIGEST.upper()) == "network"
    assert fetch_file(server.url("/file.bin"), path, QUICK, DIGEST.upper()) == "present"
    assert path.read_bytes() == CONTENT
    assert ranges(server) == [None]
    assert os.listdir(path.parent) == ["file.bin"]


def test_a_present_file_with_another_hash_is_left_alone(server, tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"mine")
    mine = hashlib.sha256(b"mine").hexdigest()
    with pytest.raises(InputError, match=f"file.bin: its sha256 is {mine}, but {DIGEST}.*remove"):
        fetch_file(server.url("/file.bin"), path, QUICK, DIGEST)
    assert path.read_bytes() == b"mine"
    assert server.requests == []


def test_the_mirror_comes_before_the_network(server, tmp_path):
    mirrored = tmp_path / "mirror" / "127.0.0.1" / "a b" / "file.bin"
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(CONTENT)
    downloads = Downloads(mirror=tmp_path / "mirror")
    url = server.url("/a%20b/file.bin?download=1")
    assert mirror_path(url, tmp_path / "mirror") == mirrored
    assert fetch_file(url, tmp_path / "file.bin", downloads, DIGEST) == "mirror"
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    mirrored.write_bytes(b"other")
    with pytest.raises(InputError, match=f"{mirrored}: its sha256 is .*, but {DIGEST}"):
        fetch_file(url, tmp_path / "second.bin", downloads, DIGEST)
    assert server.requests == []
    assert sorted(os.listdir(tmp_path)) == ["file.bin", "mirror"]


def test_a_file_that_the_mirror_lacks_is_fetched(server, tmp_path):
    downloads = Downloads(mirror=tmp_path / "mirror")
    assert fetch_file(server.url("/file.bin"), tmp_path / "file.bin", downloads) == "network"


def test_a_url_of_no_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="not the URL of a file"):
        fetch_file("https://host/%2e%2e/b", tmp_path / "file.bin", QUICK)


def test_offline_opens_no_connection_and_says_where_the_file_is_needed(server, tmp_path):
    url, path = server.url("/file.bin"), tmp_path / "file.bin"
    with pytest.raises(
        InputError, match=r"none is configured.* holds 127\.0\.0\.1/file\.bin"
    ) as error:
        fetch_file(url, path, Downloads(offline=True))
    assert url in str(error.value)
    needed = tmp_path / "mirror" / "127.0.0.1" / "file.bin"
    downloads = Downloads(mirror=tmp_path / "mirror", offline=True)
    with pytest.raises(InputError, match=f"put the file at {needed}"):
        fetch_file(url, path, downloads)
    needed.parent.mkdir(parents=True)
    needed.write_bytes(CONTENT)
    assert fetch_file(url, path, downloads) == "mirror"
    assert server.requests == []


def test_a_cut_connection_is_resumed_where_it_broke(server, tmp_path):
    server.behave("/file.bin", cut_after=100_001, times=2)
    fetch_file(server.url("/file.bin"), tmp_path / "file.bin", QUICK)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=100001-", "bytes=200002-"]
    first, *later = server.asked("/file.bin")
    assert first.if_range is None
    assert all(request.if_range.startswith('"') for request in later)
    assert leftovers(tmp_path) == []


def test_a_later_call_resumes_what_an_earlier_one_left(server, tmp_path):
    url, path = server.url("/file.bin"), tmp_path / "file.bin"
    server.behave("/file.bin", cut_after=1000)
    with pytest.raises(InputError, match=r"connection was cut .* \(after 4 attempts\)") as error:
        fetch_file(url, path, QUICK)
    assert "set downloads.mirror" in str(error.value)
    assert not path.exists()
    assert (tmp_path / "file.bin.part").stat().st_size == 4000
    server.behave("/file.bin")
    assert fetch_file(url, path, QUICK, DIGEST) == "network"
    assert ranges(server)[-1] == "bytes=4000-"
    assert os.listdir(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("validators", [["ETag", "Last-Modified"], ["ETag"]])
def test_without_a_strong_etag_the_date_is_used_and_without_it_nothing_is_resumed(
    server, tmp_path, validators
):
    server.behave("/file.bin", cut_after=1000, times=1, validators=validators, weak=True)
    fetch_file(server.url("/file.bin"), tmp_path / "file.bin", QUICK, DIGEST)
    assert ranges(server) == [None, "bytes=1000-" if len(validators) == 2 else None]


def test_a_file_that_changed_meanwhile_starts_anew(server, tmp_path):
    url, path = server.url("/file.bin"), tmp_path / "file.bin"
    server.behave("/file.bin", cut_after=1000)
    with pytest.raises(InputError):
        fetch_file(url, path, Downloads(attempts=1))
    server.behave("/file.bin")
    server.files["/file.bin"] = CONTENT[::-1]
    fetch_file(url, path, QUICK)
    assert path.read_bytes() == CONTENT[::-1]
    assert ranges(server) == [None, "bytes=1000-"]


@pytest.mark.parametrize("refusal", [False, 405, 416])
def test_a_server_without_ranges_starts_anew(server, tmp_path, refusal):
    server.behave("/file.bin", cut_after=1000, times=1, ranges=refusal)
    fetch_file(server.url("/file.bin"), tmp_path / "file.bin", QUICK)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert "bytes=1000-" in ranges(server)


def test_another_part_than_the_one_asked_for_is_not_appended(server, tmp_path):
    server.behave("/file.bin", cut_after=1000, times=1, shifted=True)
    fetch_file(server.url("/file.bin"), tmp_path / "file.bin", QUICK)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=1000-", None]


def test_a_part_that_was_complete_already_is_no_obstacle(server, tmp_path):
    url, path = server.url("/file.bin"), tmp_path / "file.bin"
    server.behave("/file.bin", cut_after=1000)
    with pytest.raises(InputError):
        fetch_file(url, path, Downloads(attempts=1))
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    server.behave("/file.bin")
    assert fetch_file(url, path, QUICK, DIGEST) == "network"
    assert ranges(server) == [None, f"bytes={len(CONTENT)}-", None]


def test_wrong_bytes_are_fetched_once_more(server, tmp_path):
    server.behave("/file.bin", wrong=True, times=1)
    fetch_file(server.url("/file.bin"), tmp_path / "file.bin", QUICK, DIGEST)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert ranges(server) == [None, None]


def test_bytes_that_stay_wrong_are_refused(server, tmp_path):
    server.behave("/file.bin", wrong=True)
    with pytest.raises(InputError, match=f"twice the bytes had .*, but {DIGEST}"):
        fetch_file(server.url("/file.bin"), tmp_path / "file.bin", QUICK, DIGEST)
    assert len(server.requests) == 2
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_final_answers_are_not(server, tmp_path, status):
    server.behave("/file.bin", status=status)
    with pytest.raises(InputError, match=f"HTTP {status} .*; check the URL") as error:
        fetch_file(server.url("/file.bin"), tmp_path / "file.bin", QUICK)
    assert server.url("/file.bin") in str(error.value)
    assert len(server.requests) == 1


def fetch_in_turn(url: str, path: Path, start, origins) -> None:
    start.wait()
    origins.put(fetch_file(url, path, QUICK, DIGEST))


def test_processes_that_want_the_same_file_take_turns(server, tmp_path):
    server.behave("/file.bin", cut_after=100_000, times=2, delay_s=0.1)
    spawned = multiprocessing.get_context("spawn")
    origins = spawned.Queue()
    arguments = (server.url("/file.bin"), tmp_path / "file.bin", spawned.Barrier(2), origins)
    workers = [spawned.Process(target=fetch_in_turn, args=arguments) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = sorted(origins.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()
    assert found == ["network", "present"]
    assert ranges(server) == [None, "bytes=100000-", "bytes=200000-"]
    assert os.listdir(tmp_path) == ["file.bin"]


def test_a_killed_process_leaves_its_bytes_and_holds_no_lock(server, tmp_path):
    server.behave("/file.bin", cut_after=1000)
    path, part = tmp_path / "file.bin", tmp_path / "file.bin.part"
    patient = Downloads(backoff_s=60)
    worker = multiprocessing.get_context("spawn").Process(
        target=fetch_file, args=(server.url("/file.bin"), path, patient)
    )
    worker.start()
    while not part.exists() or part.stat().st_size < 1000:
        assert worker.is_alive()
        time.sleep(0.01)
    worker.kill()  # in the wait for its second attempt
    worker.join()
    server.behave("/file.bin")
    assert fetch_file(server.url("/file.bin"), path, QUICK, DIGEST) == "network"
    assert ranges(server) == [None, "bytes=1000-"]
    assert os.listdir(tmp_path) == ["file.bin"]


def test_of_many_files_each_has_its_outcome(server, tmp_path):
    with serve({}) as gone:
        lost = [gone.url(f"/{number}") for number in range(20)]
    good, bad = server.url("/file.bin"), server.url("/absent")
    files = {url: tmp_path / str(number) for number, url in enumerate([good, bad, *lost])}
    one_by_one = Downloads(attempts=4, backoff_s=0.05, connections=1)
    start = time.monotonic()
    outcomes = fetch_files(files, one_by_one)
    assert time.monotonic() - start < 3  # 20 times 0.35 s, were the lost host asked for each
    assert list(outcomes) == list(files)
    assert outcomes[good] == Outcome("network")
    assert outcomes[bad] == Outcome(None, "HTTP 404 Not Found")
    assert all("no connection" in outcomes[url].fault for url in lost)
    assert fetch_files(files, Downloads(offline=True))[good] == Outcome("present")


def test_a_file_of_items_without_a_hash_says_the_hash_of_what_came(server, tmp_path, capsys):
    annotations(tmp_path / "items.json", server.url("/file.bin"), "", QUICK)
    said = capsys.readouterr().out
    assert "compared with nothing" in said
    assert f"sha256: {DIGEST}" in said
    annotations(tmp_path / "same.json", server.url("/file.bin"), DIGEST, QUICK)
    assert capsys.readouterr().out == ""
    with pytest.raises(InputError, match="sha256"):
        annotations(tmp_path / "other.json", server.url("/file.bin"), "0" * 64, QUICK)
