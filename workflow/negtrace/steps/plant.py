"""Write a planted model as an architecture and a checkpoint."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.analyses.planted import plant_of, write_planted
from negtrace.steps.command import run


def step(options: Namespace) -> None:
    values = json.loads(options.plant)
    active = values.pop("active", True)
    write_planted(plant_of(values), options.configuration, options.weights, active)


if __name__ == "__main__":
    run(step, __doc__, {"plant": str, "configuration": Path, "weights": Path})
