"""Write the configuration that a study ran with, all files merged."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import yaml

from negtrace.steps.command import run
from negtrace.tables.store import write_text


def step(options: Namespace) -> None:
    write_text(yaml.safe_dump(json.loads(options.config), sort_keys=True), options.output)


if __name__ == "__main__":
    run(step, __doc__, {"config": str, "output": Path})
