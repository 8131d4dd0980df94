"""Options that all steps which may open connections have in common."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.fetching.downloads import Downloads

OPTIONS = {"mirror": str, "offline": int, "connections": int}


def downloads(options: Namespace) -> Downloads:
    """How a step's downloads behave; an empty mirror means none."""
    mirror = Path(options.mirror) if options.mirror else None
    return Downloads(mirror, bool(options.offline), options.connections)
