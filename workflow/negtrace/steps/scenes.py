"""Draw the demo world's pictures and write its items."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.scenes import write_dataset
from negtrace.steps.command import run


def step(options: Namespace) -> None:
    write_dataset(options.folder, options.items, options.seed)


if __name__ == "__main__":
    run(step, __doc__, {"folder": Path, "items": int, "seed": int})
