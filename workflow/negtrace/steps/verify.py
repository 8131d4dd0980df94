"""Hash every result again and name those that are corrupt or stale."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.errors import InputError
from negtrace.steps.command import run
from negtrace.verification import findings


def step(options: Namespace) -> None:
    found = 0
    for finding in findings(options.results):
        found += 1
        print(finding, flush=True)
    if found:
        raise InputError(f"{options.results}: {found} findings, one a line above")
    print(f"{options.results}: every result is whole and made from what is there")


if __name__ == "__main__":
    run(step, __doc__, {"results": Path})
