"""Progress: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from tqdm import tqdm

LOG_SECONDS = 15

T = TypeVar("T")

silent = partial(tqdm, disable=True)


class LogLines(tqdm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """A tqdm that ends each report with a newline, because a log has no cursor to send back."""

    @staticmethod
    def status_printer(file: Any) -> Callable[[str], None]:
        def print_status(status: str) -> None:
            if status:
                file.write(f"{status}\n")
                file.flush()

        return print_status


def bar(**options: Any) -> tqdm[Any]:
    """A tqdm bar; outside a terminal it writes a line every `LOG_SECONDS` seconds, and the last."""
    if sys.stderr.isatty():
        return tqdm(**options)
    sparse = {"mininterval": LOG_SECONDS, "maxinterval": LOG_SECONDS, "ascii": True, "ncols": 80}
    return LogLines(**{**sparse, **options})


def track(items: Iterable[T], **options: Any) -> Iterable[T]:
    """Iterate with a bar."""
    return bar(iterable=items, **options)
