"""What all figures have in common: colours, fonts, size, and how they are written.

Figures are made without pyplot, so that nothing in a notebook's state changes; the same tables give
the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from textwrap import wrap
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from negtrace.tables.store import atomic_path
from negtrace.vocabulary import ALL

# Of the vocabulary's roles, for eyes that see colours differently too (Okabe and Ito).
ROLE_COLOURS = {
    "SOT": "#4d4d4d",
    "there": "#8c8c8c",
    "be": "#bfbfbf",
    "determiner": "#D55E00",
    "shared_before": "#8c6d46",
    "edit": "#CC79A7",
    "shared_between": "#999933",
    "shared_after": "#56B4E9",
    "subject_first": "#E69F00",
    "subject_rest": "#F0E442",
    "full_stop": "#009E73",
    "EOT": "#0072B2",
    "padding": "#bbbbbb",
    "pooled": "#661100",
    ALL: "#000000",
}
SEGMENT_COLOURS = {"correct": "#0072B2", "ambiguous": "#999999", "incorrect": "#D55E00"}
BAR_COLOUR = "#0072B2"

NOTE_CHARACTERS = 90  # of a line of a note
WIDTH_CM = 18.0
CM_PER_INCH = 2.54

# svg.fonttype keeps text as text; svg.hashsalt makes element ids the same in every run.
STYLE: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "negtrace",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8.5,
    "figure.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.4,
}
METADATA = {"svg": {"Date": None}, "png": {"Software": None}}

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw with `STYLE`, whatever the caller's own settings are."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(STYLE)
            return draw(*args, **kwargs)

    return drawn


def save(figure: Figure, stem: Path, formats: Sequence[str], dpi: int) -> None:
    """Write a figure as ``stem.svg`` and/or ``stem.png``, each in one step, laid out once."""
    for ending in formats:
        with (
            mpl.rc_context(STYLE),
            atomic_path(stem.with_name(f"{stem.name}.{ending}")) as path,
        ):
            figure.savefig(path, format=ending, dpi=dpi, metadata=METADATA[ending])
        figure.set_layout_engine("none")


def new_figure(
    width: float, height: float, rows: int, columns: int = 2, **subplots: Any
) -> tuple[Figure, np.ndarray]:
    """A figure with a column for each negation, in inches; belongs to no window."""
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(rows, columns, squeeze=False, **subplots)


@styled
def note(text: str) -> Figure:
    """A figure that holds a few words, in as many lines as they need."""
    lines = wrap(text, NOTE_CHARACTERS)
    figure = Figure(figsize=(WIDTH_CM / CM_PER_INCH, 0.4 + 0.2 * len(lines)))
    figure.text(0.5, 0.5, "\n".join(lines), ha="center", va="center")
    return figure


def titled(figure: Figure, text: str, label: str) -> None:
    figure.suptitle(f"{text}: {label}")


def figure_width(settings: Mapping[str, Any]) -> float:
    """Width of a figure in inches, if its columns fit in."""
    return float(settings.get("width_cm", WIDTH_CM)) / CM_PER_INCH
