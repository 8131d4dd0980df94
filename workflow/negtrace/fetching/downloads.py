"""How downloads behave, where a mirror holds files, and what became of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from negtrace.errors import InputError

Origin = Literal["present", "mirror", "network"]


@dataclass(frozen=True)
class Downloads:
    """How downloads behave; the configuration's section ``downloads``."""

    mirror: Path | None = None  # folder asked before the network
    offline: bool = False  # never open a connection
    connections: int = 8  # at most this many at once
    attempts: int = 5  # per file
    timeout_s: float = 30.0  # of silence
    backoff_s: float = 1.0  # wait before the second attempt; doubles with each further one

    def mirrored(self, url: str) -> Path | None:
        """The file or folder that the mirror holds for a URL.

        Raises:
            InputError: as `mirror_path`.
        """
        path = mirror_path(url, self.mirror or Path())
        return path if self.mirror and path.exists() else None


class Outcome(NamedTuple):
    """What became of one of many files."""

    origin: Origin | None  # None: it cannot be had
    fault: str | None = None  # why not, in words


def mirror_path(url: str, mirror: Path) -> Path:
    """Where a mirror holds the file of a URL: ``mirror/<host>/<path>``, no port, no query.

    Raises:
        InputError: the URL has no host or path, or its path would leave the mirror.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InputError(f"{url}: malformed ({error}); correct the address") from error
    path = PurePosixPath(unquote(parts.path).lstrip("/"))
    if not parts.hostname or not path.parts or ".." in (parts.hostname, *path.parts):
        raise InputError(f"{url}: not the URL of a file; give it as https://host/path/of/file")
    return mirror / parts.hostname / path
