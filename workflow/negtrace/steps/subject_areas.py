"""Subject sizes from masks or boxes."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.steps.command import run
from negtrace.store import provenance, read_table, write_table
from negtrace.subjects import areas_from_boxes, areas_from_masks

METHODS = {"masks": areas_from_masks, "boxes": areas_from_boxes}


def step(options: Namespace) -> None:
    sizes = METHODS[options.kind](read_table(options.candidates), options.source)
    made = provenance(
        "subject_areas", inputs={"candidates": options.candidates}, params={"kind": options.kind}
    )
    write_table(sizes, options.sizes, "subject_sizes", made)


if __name__ == "__main__":
    run(step, __doc__, {"kind": str, "candidates": Path, "source": Path, "sizes": Path})
