"""What jobs that failed said last, for the end of the screen.

Imported when Snakemake builds the job graph: standard library only.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

MOST_JOBS = 10
LAST_LINES = 8
FULL_BYTES = 1 << 20
FULL = "No space left on device"

_RULE = re.compile(r"^(?:\[.*\] )?Error in rule (\w+)")
_LOG = re.compile(r"^\s+log: (.+?)(?: \(check log file\(s\) for error details\))?$")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def last_words(snakemake_logs: Iterable[Path]) -> list[str]:
    """Lines about every job that failed in a run: its rule, its log, and its error.

    Args:
        snakemake_logs: of the whole run.
    """
    text = "\n".join(log.read_text(errors="replace") for log in snakemake_logs if log.is_file())
    return [
        line
        for log, rule in failed_jobs(text).items()
        for line in (
            f"{rule} failed ({log}):",
            *(f"  {words}" for words in _said(Path(log), FULL in text)),
        )
    ]


def failed_jobs(text: str) -> dict[str, str]:
    """The rule of every failed job by its log file; a retried job counts once; ten at most."""
    found: dict[str, str] = {}
    rule = None
    for line in text.splitlines():
        if match := _RULE.match(line):
            rule = match[1]
        elif rule and (match := _LOG.match(line)):
            found.setdefault(match[1].split(", ")[0], rule)
            rule = None
    return dict(list(found.items())[:MOST_JOBS])


def _said(log: Path, is_full: bool) -> list[str]:
    """The error in a job's log, or its last lines, or why it may be empty.

    Args:
        is_full: whether Snakemake met a full disk: it writes when a job has ended well, too.
    """
    try:
        text = _ESCAPE.sub("", log.read_text(errors="replace"))
    except OSError:
        text = ""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1:]
    folder = log.parent if log.parent.is_dir() else Path()
    if is_full or (not lines and shutil.disk_usage(folder).free < FULL_BYTES):
        return [f"error: the disk of {folder} is full; free some space and run again"]
    if lines:
        return lines[-LAST_LINES:]
    return [
        "error: ended without a word: killed, or its cluster job was cancelled or out of memory? "
        "Give it more (--set-resources), or lower compute.memory_gb"
    ]
