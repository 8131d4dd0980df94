"""Subject sizes from masks or boxes."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.steps.command import run
from negtrace.steps.options import tables_of
from negtrace.store import provenance, write_table
from negtrace.subjects import areas_from_boxes, areas_from_masks

METHODS = {"masks": areas_from_masks, "boxes": areas_from_boxes}


def step(options: Namespace) -> None:
    tables = tables_of(options, ["candidates"])
    sizes = METHODS[options.kind](tables["candidates"], options.source)
    made = provenance("subject_areas", tables=tables.sources, params={"kind": options.kind})
    write_table(sizes, options.sizes, "subject_sizes", made)


if __name__ == "__main__":
    run(step, __doc__, {"kind": str, "candidates": Path, "source": Path, "sizes": Path})
