"""A local HTTP server for tests of downloads, as good or bad as a test wants it to be.

    with serve({"/images.zip": content}) as server:
        server.behave("/images.zip", cut_after=1000, times=2)
        fetch(server.url("/images.zip"))
    assert [request.range for request in server.requests] == [None, "bytes=1000-", "bytes=2000-"]

It answers GET and HEAD with ETag (the content's hash), Last-Modified, and ranges (``bytes=a-b``,
``bytes=a-``, ``bytes=-n``, with If-Range), and keeps connections open.  While it runs, clients
reach it without a proxy.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock
from urllib.parse import unquote, urlsplit

LAST_MODIFIED = "Mon, 01 Jan 2024 00:00:00 GMT"

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Behaviour:
    """How a path is answered; by default as well as can be."""

    status: int | None = None  # answered instead of the content
    retry_after: str | None = None  # header that goes with `status`
    cut_after: int | None = None  # bytes of the body after which the connection is cut
    wrong: bool = False  # every byte of the body is inverted
    times: int | None = None  # how many requests meet the four above; None: all
    ranges: bool | int = True  # False: ranges are ignored; a number: answered with that status
    shifted: bool = False  # parts begin a byte later than asked for
    validators: Sequence[str] = ("ETag", "Last-Modified")  # headers that are sent
    weak: bool = False  # the ETag is a weak one, which If-Range never matches
    delay_s: float = 0.0  # before every answer


class Request(NamedTuple):
    """What a client asked for."""

    method: str
    path: str
    range: str | None
    if_range: str | None


@dataclass
class Server:
    """Handle of a running server; files and behaviours may be changed while it runs."""

    files: dict[str, bytes]  # by path, which starts with a slash
    port: int = 0
    requests: list[Request] = field(default_factory=list)  # in order of arrival
    peak: int = 0  # most requests at once, each counted until its answer begins
    headers: dict[str, str] = field(default_factory=dict)  # more of them, in every answer

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self._in_work = 0
        self._behaviours: dict[str | None, Behaviour] = {None: Behaviour()}
        self._met: dict[str, int] = {}

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def behave(self, path: str | None = None, **behaviour: Any) -> None:
        """Answer `path`, or all that have no behaviour of their own, like this from now on."""
        with self.lock:
            self._behaviours[path] = Behaviour(**behaviour)
            self._met.clear()

    def asked(self, path: str) -> list[Request]:
        """The requests for one path."""
        return [request for request in self.requests if request.path == path]

    @contextmanager
    def at_work(self, request: Request) -> Iterator[tuple[Behaviour, bool]]:
        """Record a request; yields how to answer it, and whether `times` is not yet used up."""
        with self.lock:
            self.requests.append(request)
            self._in_work += 1
            self.peak = max(self.peak, self._in_work)
            behaviour = self._behaviours.get(request.path, self._behaviours[None])
            met = self._met[request.path] = self._met.get(request.path, 0) + 1
        try:
            yield behaviour, behaviour.times is None or met <= behaviour.times
        finally:
            with self.lock:
                self._in_work -= 1


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[Server]:
    """Serve `files` (content by path) on a free port of 127.0.0.1."""
    server = Server(files)
    handler = type("Handler", (_Handler,), {"files": server})
    with (
        mock.patch.dict(os.environ, NO_PROXY="127.0.0.1"),
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as listener,
    ):
        listener.daemon_threads = True
        listener.block_on_close = False  # clients may keep idle connections
        server.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    files: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else header and body of an answer wait for each other

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = self.headers.get("Range"), self.headers.get("If-Range")
        request = Request(self.command, path, *headers)
        with self.files.at_work(request) as (behaviour, misbehave):
            time.sleep(behaviour.delay_s)
        self._answer(request, behaviour, misbehave)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, request: Request, behaviour: Behaviour, misbehave: bool) -> None:
        if misbehave and behaviour.status is not None:
            extra = {"Retry-After": behaviour.retry_after} if behaviour.retry_after else {}
            return self._send(behaviour.status, b"refused", extra)
        content = self.files.files.get(request.path)
        if content is None:
            return self._send(404, b"not found", {})
        if request.range and not isinstance(behaviour.ranges, bool):
            return self._send(behaviour.ranges, b"no ranges", {})

        etag = _etag(content)
        validators = {"ETag": etag, "Last-Modified": LAST_MODIFIED}
        sent = {name: validators[name] for name in behaviour.validators}
        if behaviour.weak and "ETag" in sent:
            sent["ETag"] = f"W/{etag}"
        if misbehave and behaviour.wrong:
            content = bytes(byte ^ 0xFF for byte in content)
        status, body = 200, content
        same = request.if_range is None or request.if_range in validators.values()
        if request.range and behaviour.ranges and same:
            span = _span(request.range, len(content))
            if span is None:
                return self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            span = span[0] + behaviour.shifted, span[1]
            status, body = 206, content[span[0] : span[1]]
            sent["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{len(content)}"
        self._send(status, body, sent, behaviour.cut_after if misbehave else None)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], cut_after: int | None = None
    ) -> None:
        self.send_response(status)
        more = self.files.headers
        for name, value in {"Content-Length": str(len(body)), **more, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[:cut_after])
        if cut_after is not None and cut_after < len(body):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


def printed_with_hub(server: Server, script: str, *arguments: Path, cache: Path) -> str:
    """What a script prints for which the server is the Hugging Face hub.

    In a process of its own: huggingface_hub reads the hub's address once, at import.
    """
    environment = {
        **os.environ,
        "HF_ENDPOINT": server.url(""),
        "HF_HOME": str(cache),
        "PYTHONPATH": str(Path(__file__).parents[1] / "workflow"),
    }
    server.headers["X-Repo-Commit"] = "c" * 40
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@cache
def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


def _span(text: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last of a Range header; None if there are no such bytes."""
    match = _RANGE.fullmatch(text)
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        first, end = max(0, size - int(match[2])), size
    else:
        first = int(match[1])
        end = min(int(match[2]) + 1, size) if match[2] else size
    return (first, end) if first < end else None
