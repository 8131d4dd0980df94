"""HTTP requests: connections that are used again, attempts with waits, failures in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from negtrace import __version__
from negtrace.fetching.downloads import Downloads

# Answers that may be different the next time.
PASSING = (408, 425, 429, 500, 502, 503, 504)

# Answers of servers that do not give parts of a file.
RANGES_REFUSED = (405, 416, 501)

LONGEST_WAIT_S = 120.0

T = TypeVar("T")


class Fault(Exception):  # noqa: N818 (told to the user as an InputError or an Outcome)
    """A download that did not work, in words."""

    def __init__(
        self,
        words: str,
        *,
        passing: bool = False,
        unreachable: bool = False,
        status: int | None = None,
        wait_s: float = 0.0,
    ) -> None:
        super().__init__(words)
        self.passing = passing  # another attempt may work
        self.unreachable = unreachable  # no connection to the host, whatever the file
        self.status = status
        self.wait_s = wait_s  # what the server asked for
        self.attempts = 1

    def __str__(self) -> str:
        words = super().__str__()
        return words if self.attempts == 1 else f"{words} (after {self.attempts} attempts)"


class Client(requests.Session):
    """A session for all threads of a download, in which every answer without content is a `Fault`.

    Bodies are left to be read; `in_words` belongs around that.
    """

    def __init__(self, downloads: Downloads) -> None:
        super().__init__()
        self.downloads = downloads
        self.stream = True
        # Compressed on the way, bytes would not be those that ranges and lengths count.
        self.headers["Accept-Encoding"] = "identity"
        self.headers["User-Agent"] = f"negtrace/{__version__}"
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(pool_maxsize=downloads.connections))
        self._lost: dict[str, Fault] = {}

    def request(self, *args: Any, **options: Any) -> requests.Response:
        """One request, in one attempt.

        Raises:
            Fault: downloads are offline, or the answer is not content or does not come.
        """
        if self.downloads.offline:
            raise Fault("not in the mirror, and downloads are offline")
        options.setdefault("timeout", self.downloads.timeout_s)
        with in_words():
            response = super().request(*args, **options)
        status = response.status_code
        if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            return response
        response.close()
        words = f"HTTP {status} {response.reason or ''}".rstrip()
        wait_s = _retry_after_s(response)
        raise Fault(words, passing=status in PASSING, status=status, wait_s=wait_s)

    def persist(self, url: str, attempt: Callable[[], T]) -> T:
        """Attempt something with a URL until it works.

        A host to which no attempt could connect is not tried again, for no URL.

        Raises:
            Fault: the last one, when no attempt is left or another would be useless.
        """
        host = urlsplit(url).netloc
        number = 1
        while host not in self._lost:
            try:
                return attempt()
            except Fault as fault:
                fault.attempts = number
                if not fault.passing or number >= self.downloads.attempts:
                    if fault.unreachable:
                        self._lost[host] = fault
                    raise
                asked_for_s = min(fault.wait_s, LONGEST_WAIT_S)
            time.sleep(max(asked_for_s, self.downloads.backoff_s * 2 ** (number - 1)))
            number += 1
        raise self._lost[host]


@contextmanager
def in_words() -> Iterator[None]:
    """Turn what requests and urllib3 raise into a `Fault`."""
    try:
        yield
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        unreachable = isinstance(error, requests.ConnectTimeout)
        raise Fault("no answer in time", passing=True, unreachable=unreachable) from error
    except (requests.ConnectionError, urllib3.exceptions.HTTPError) as error:
        # requests hands on MaxRetryError where there was no connection in the first place.
        unreachable = any(isinstance(arg, urllib3.exceptions.MaxRetryError) for arg in error.args)
        words = "no connection" if unreachable else "the connection was cut"
        raise Fault(
            f"{words} ({_one_line(_root(error))})", passing=True, unreachable=unreachable
        ) from error
    except (requests.RequestException, ValueError) as error:
        # A malformed address that the server redirects to is a ValueError of urllib.
        raise Fault(f"cannot be requested ({_one_line(error)})") from error


def length_of(response: requests.Response) -> int | None:
    """Bytes of the body that the server declares; None if it does not.

    Raises:
        Fault: what it declares is no length.
    """
    declared = response.headers.get("Content-Length")
    if declared is None:
        return None
    if not (declared.isascii() and declared.isdecimal() and len(declared) < 19):
        raise Fault(f"the server sent {declared[:40]!r} as length", passing=True)
    return int(declared)


def _one_line(error: BaseException) -> str:
    return " ".join(ascii(str(error))[1:-1].split())[:300]


def _retry_after_s(response: requests.Response) -> float:
    """Seconds to wait that the server asked for, as a number or a date; 0 if it did not."""
    try:
        return urllib3.Retry().parse_retry_after(response.headers.get("Retry-After", "0"))
    except urllib3.exceptions.InvalidHeader:
        return 0.0


def _root(error: BaseException) -> BaseException:
    """The first of the errors that led to this one; the others wrap it in technicalities."""
    while error.__context__ is not None:
        error = error.__context__
    return error
