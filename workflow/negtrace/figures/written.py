"""Figures drawn and written, several at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.text import Text

from negtrace.figures.contrast_words import said_of
from negtrace.figures.style import save


def write_figures(
    drawings: Iterable[tuple[str, Callable[[], Figure]]],
    contrast: str,
    folder: Path,
    formats: Sequence[str],
    dpi: int,
    processes: int,
) -> None:
    """Draw each of (name, what draws it) into a folder, in the words of the dataset's contrast."""
    write = partial(_write, contrast=contrast, folder=folder, formats=formats, dpi=dpi)
    if processes < 2 or sys.platform != "linux":
        for drawing in drawings:
            write(drawing)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        for _ in pool.map(write, drawings):
            pass


def _write(
    drawing: tuple[str, Callable[[], Figure]],
    contrast: str,
    folder: Path,
    formats: Sequence[str],
    dpi: int,
) -> None:
    name, draw = drawing
    figure = draw()
    relabel(figure, contrast)
    save(figure, folder / name, formats, dpi)


def relabel(figure: Figure, contrast: str) -> Figure:
    """The figure, all its texts as of a dataset's contrast."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(said_of(text.get_text(), contrast))
    return figure
