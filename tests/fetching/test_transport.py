"""Requests to a real (local) server that refuses, dawdles or is gone."""

from __future__ import annotations

import time

import pytest
from http_server import serve

from negtrace.fetching.downloads import Downloads
from negtrace.fetching.transport import Client, Fault

QUICK = Downloads(attempts=4, backoff_s=0.001, timeout_s=5)


@pytest.fixture
def server():
    with serve({"/file.bin": b"content"}) as running:
        yield running


def ask(url: str, downloads: Downloads = QUICK) -> bytes:
    with Client(downloads) as client:
        return client.persist(url, lambda: client.get(url).content)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_answers_are_tried_again(server, status):
    server.behave("/file.bin", status=status, times=3)
    assert ask(server.url("/file.bin")) == b"content"
    assert len(server.requests) == 4


@pytest.mark.parametrize("status", [403, 404, 410])
def test_final_answers_are_not(server, status):
    server.behave("/file.bin", status=status)
    with pytest.raises(Fault, match=f"^HTTP {status} [A-Z][A-Za-z ]+$"):
        ask(server.url("/file.bin"))
    assert len(server.requests) == 1


def test_attempts_have_an_end(server):
    server.behave("/file.bin", status=503)
    with pytest.raises(Fault, match=r"HTTP 503 Service Unavailable \(after 4 attempts\)"):
        ask(server.url("/file.bin"))
    assert len(server.requests) == 4


def test_waits_double(server):
    server.behave("/file.bin", status=503, times=3)
    start = time.monotonic()
    ask(server.url("/file.bin"), Downloads(backoff_s=0.05))
    assert time.monotonic() - start >= 0.05 + 0.1 + 0.2


@pytest.mark.parametrize(("retry_after", "least_s"), [("1", 1.0), ("soon", 0.0)])
def test_the_wait_that_the_server_asks_for_is_kept(server, retry_after, least_s):
    server.behave("/file.bin", status=429, retry_after=retry_after, times=1)
    start = time.monotonic()
    ask(server.url("/file.bin"))
    assert least_s <= time.monotonic() - start < least_s + 0.9


def test_a_silent_server_is_given_up(server):
    server.behave("/file.bin", delay_s=0.5)
    impatient = Downloads(attempts=2, backoff_s=0.001, timeout_s=0.1)
    with pytest.raises(Fault, match=r"no answer in time \(after 2 attempts\)"):
        ask(server.url("/file.bin"), impatient)


@pytest.mark.usefixtures("server")
def test_a_host_without_a_server_is_named_with_what_went_wrong():
    with serve({}) as gone:
        url = gone.url("/file.bin")
    with pytest.raises(Fault, match=r"no connection \(.*refused.*after 4 attempts"):
        ask(url)


def test_a_lost_host_is_asked_no_more_but_others_are(server):
    with serve({}) as gone:
        lost = gone.url("/file.bin")
    attempts = []
    with Client(QUICK) as client:

        def attempt(url):
            attempts.append(url)
            return client.get(url).content

        for _ in range(2):
            with pytest.raises(Fault, match=r"no connection .*after 4 attempts"):
                client.persist(lost, lambda: attempt(lost))
        url = server.url("/file.bin")
        assert client.persist(url, lambda: attempt(url)) == b"content"
    assert attempts == [lost] * 4 + [url]


def test_offline_nothing_is_asked(server):
    with pytest.raises(Fault, match=r"^not in the mirror, and downloads are offline$"):
        ask(server.url("/file.bin"), Downloads(offline=True))
    assert server.requests == []


@pytest.mark.parametrize("url", ["ftp://host/file.bin", "http://[/file.bin"])
def test_what_cannot_be_requested_is_said_at_once(url):
    with Client(QUICK) as client, pytest.raises(Fault, match="cannot be requested") as error:
        client.get(url)
    assert not error.value.passing
