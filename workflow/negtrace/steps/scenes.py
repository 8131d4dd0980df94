"""Draw the demo world's pictures and write its items."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.scenes import write_dataset
from negtrace.steps.command import run
from negtrace.store import write_manifest


def step(options: Namespace) -> None:
    write_dataset(options.folder, options.items, options.seed)
    items = json.loads((options.folder / "existence.json").read_text())
    names = sorted({item["image_file"] for item in items.values()})
    pictures = [options.folder / kind / name for kind in ("images", "masks") for name in names]
    write_manifest(pictures, options.manifest)


if __name__ == "__main__":
    run(step, __doc__, {"folder": Path, "items": int, "seed": int, "manifest": Path})
