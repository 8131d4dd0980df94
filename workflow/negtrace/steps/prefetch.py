"""Copy all that a study downloads into the mirror."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.errors import InputError
from negtrace.data.mirror import copy_into, downloaded, snapshot_datasets
from negtrace.steps.command import run


def step(options: Namespace) -> None:
    if not options.mirror:
        raise InputError("there is no mirror to fill: set downloads.mirror to a folder")
    mirror, config = Path(options.mirror), json.loads(options.config)
    snapshot_datasets(config, mirror)
    copied = [copy_into(mirror, *found) for found in downloaded(config, options.results)]
    print(f"{mirror}: {len(copied)} files, {sum(copied)} of them new")


if __name__ == "__main__":
    run(step, __doc__, {"config": str, "results": Path, "mirror": str})
