"""Copy the figures of the study docs/gallery.yaml to docs/gallery, small; `make gallery` does all.

With ``--sources``, print the results that they come from instead.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from negtrace.vocabulary import DIRECTIONS, FIGURES, SEGMENTS, SITES

ROOT = Path(__file__).parents[1]
RUNS = Path("results/demo")
BY_DIRECTION = {
    *(site.figure for site in SITES.values()),
    *(f"cte_map_{segment}" for segment in SEGMENTS),
}
# A palette makes a file half as large; this method keeps colours of few pixels, such as legends'.
PALETTE = {"colors": 256, "method": Image.Quantize.MAXCOVERAGE, "kmeans": 2}


def source(name: str) -> Path:
    """The result that shows a figure."""
    if name == "planted":
        return RUNS / "next-token" / "rephrased" / "planted.png"
    if name == "specification":
        return RUNS / "demo" / "specification.png"
    if name == "templates":
        return Path("results/sentences/demo/standard/templates.negate.png")
    direction = f".{next(iter(DIRECTIONS))}" if name in BY_DIRECTION else ""
    if name == "intervention":
        direction = f".three-blocks.{next(iter(DIRECTIONS))}"
    if name == "transfer":
        direction = f".{next(iter(SITES))}.{next(iter(DIRECTIONS))}"
    return RUNS / "demo" / "rephrased" / "figures" / f"{name}{direction}.png"


def main() -> None:
    if sys.argv[1:] == ["--sources"]:
        print(*map(source, FIGURES))
        return
    folder = ROOT / "docs" / "gallery"
    folder.mkdir(exist_ok=True)
    for name in FIGURES:
        picture = Image.open(ROOT / source(name)).convert("RGB")
        small = picture.quantize(**PALETTE, dither=Image.Dither.NONE)
        small.save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
