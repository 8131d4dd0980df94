"""Progress: a bar on a terminal, a sparse line now and then in a log."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from tqdm import tqdm


def bar(**options: Any) -> tqdm:
    """A tqdm bar; outside a terminal it writes at most one line in ten seconds."""
    if sys.stderr.isatty():
        return tqdm(**options)
    return tqdm(**{"mininterval": 10, "maxinterval": 60, "ascii": True, "ncols": 80, **options})


def track(items: Any, **options: Any) -> Any:
    """Iterate with a bar."""
    return partial(bar, iterable=items)(**options)
