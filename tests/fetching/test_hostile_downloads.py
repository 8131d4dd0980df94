"""Servers and archives that lie: one line each, and no more memory or disk than a picture needs."""

from __future__ import annotations

import io
import random
import zipfile

import pytest
from http_server import serve

from negtrace.errors import InputError
from negtrace.fetching import files as fetch_module
from negtrace.fetching.downloads import Downloads
from negtrace.fetching.files import fetch_file
from negtrace.fetching.zip_members import LARGEST_MEMBER_BYTES, fetch_members

QUICK = Downloads(attempts=1, timeout_s=5)
CONTENT = b"content" * 1000


def refusal(server, folder) -> str:
    with pytest.raises(InputError) as refused:
        fetch_file(server.url("/file"), folder / "file", QUICK)
    assert not (folder / "file").exists()
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("length", ["abc", "-5", "1e9", "9" * 40])
def test_an_absurd_length_is_refused(tmp_path, length):
    with serve({"/file": CONTENT}) as server:
        server.headers["Content-Length"] = length
        assert "as length" in refusal(server, tmp_path)


def test_more_than_the_disk_holds_is_refused_before_it_comes(tmp_path):
    with serve({"/file": CONTENT}) as server:
        server.headers["Content-Length"] = str(10**17)
        assert "has room for" in refusal(server, tmp_path)


@pytest.mark.parametrize("place", ["http://[::1/", "http://", "gopher://x/y", "http://a b/"])
def test_a_redirect_to_nowhere_is_refused(tmp_path, place):
    with serve({"/file": CONTENT}) as server:
        server.behave("/file", status=302)
        server.headers["Location"] = place
        assert server.url("/file") in refusal(server, tmp_path)


def test_a_part_that_nobody_asked_for_is_not_the_file(tmp_path):
    with serve({"/file": CONTENT}) as server:
        server.behave("/file", status=206)
        assert "the whole was asked for" in refusal(server, tmp_path)


def test_a_body_without_an_end_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch_module, "UNDECLARED_BYTES", 3000)
    with serve({"/file": CONTENT}) as server:
        monkeypatch.setattr(fetch_module, "length_of", lambda response: None)
        assert "without an end" in refusal(server, tmp_path)


def archive(**members: bytes) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return memory.getvalue()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_zip_bomb_is_one_image_that_cannot_be_had(tmp_path, ranges):
    bomb = archive(bomb=bytes(LARGEST_MEMBER_BYTES + 1), good=b"picture")
    with serve({"/images.zip": bomb}) as server:
        server.behave("/images.zip", ranges=ranges)
        members = {name: tmp_path / name for name in ("bomb", "good")}
        found = fetch_members(server.url("/images.zip"), members, QUICK, tmp_path / "whole.zip")
    assert "134 MB unpacked, more than" in found["bomb"].fault
    assert found["good"].origin == "network"
    assert (tmp_path / "good").read_bytes() == b"picture"


@pytest.mark.parametrize("ranges", [True, False])
def test_mutated_archives_give_the_right_bytes_or_a_reason(tmp_path, ranges):
    rng = random.Random(1)
    whole = {"a": b"first" * 50, "b": bytes(range(256)), "c": b""}
    with serve({}) as server:
        server.behave(ranges=ranges)
        for number in range(40):
            broken = bytearray(archive(**whole))
            for _ in range(rng.randint(1, 4)):
                broken[rng.randrange(len(broken))] = rng.randrange(256)
            path = f"/{number}.zip"
            server.files[path] = bytes(broken[: rng.choice([None, rng.randrange(len(broken))])])
            folder = tmp_path / str(number)
            members = {name: folder / name for name in whole}
            found = fetch_members(server.url(path), members, QUICK, folder / "whole.zip")
            for name, outcome in found.items():
                if outcome.fault is None:
                    assert members[name].read_bytes() == whole[name]
                else:
                    assert "\n" not in outcome.fault
