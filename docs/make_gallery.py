"""Copy the figures of the study docs/gallery.yaml to docs/gallery, small.

snakemake --configfile docs/gallery.yaml && python docs/make_gallery.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from negtrace.vocabulary import FIGURES

ROOT = Path(__file__).parents[1]
OF_DATASET = ROOT / "results" / "demo"
FIGURE_FOLDER = OF_DATASET / "demo" / "rephrased" / "figures"
COLOURS = 64  # few enough for a small file, and of no figure too few


def source(name: str) -> Path:
    """The file that a figure was drawn into."""
    if name == "planted":
        return OF_DATASET / "next-token" / "rephrased" / "planted.png"
    plain = FIGURE_FOLDER / f"{name}.png"
    return plain if plain.exists() else FIGURE_FOLDER / f"{name}.negate.png"


def main() -> None:
    folder = ROOT / "docs" / "gallery"
    folder.mkdir(exist_ok=True)
    for name in FIGURES:
        picture = Image.open(source(name)).convert("RGB")
        small = picture.quantize(COLOURS, dither=Image.Dither.NONE)
        small.save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
