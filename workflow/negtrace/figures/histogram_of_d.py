"""Figure of d: how many items a model tells apart, and how clearly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from negtrace.figures.registry import draws
from negtrace.figures.shown import sides
from negtrace.figures.style import SEGMENT_COLOURS, figure_width, new_figure, styled
from negtrace.vocabulary import SEGMENTS


@styled
def histogram_of_d(
    segments: pd.DataFrame,
    thresholds: Mapping[str, float],
    settings: Mapping[str, Any] | None = None,
) -> Figure:
    """Histogram of d coloured by segment, one panel per negation, with the thresholds.

    Args:
        segments: table ``segments``.
        thresholds: the configuration's ``segments``: ``incorrect_below`` and ``correct_from``.
        settings: the configuration's ``figures``.
    """
    lower, upper = thresholds["incorrect_below"], thresholds["correct_from"]
    negations, width = sides(segments), figure_width(settings or {})
    figure, axes = new_figure(width, 2.9, 1, len(negations), sharex=True, sharey=True)
    for axis, negation in zip(axes[0], negations, strict=True):
        items = segments[segments["negation"] == negation]
        sns.histplot(
            items.astype({"segment": str}),
            x="d",
            hue="segment",
            hue_order=list(SEGMENTS),
            palette=SEGMENT_COLOURS,
            multiple="stack",
            alpha=1,
            linewidth=0.3,
            bins=_bins(segments["d"], lower, upper),
            ax=axis,
            legend=False,
        )
        for value in (lower, upper):
            axis.axvline(value, color="black", linewidth=0.8, linestyle="--")
        axis.set(title=_histogram_title(items, negation), xlabel="d = S(caption) − S(foil)")
        axis.set_ylabel("items" if negation == negations[0] else "")
    figure.set_layout_engine("constrained")
    handles = [Rectangle((0, 0), 1, 1, color=SEGMENT_COLOURS[name]) for name in SEGMENTS]
    figure.legend(handles, list(SEGMENTS), loc="outside lower center", ncols=3, frameon=False)
    return figure


@draws("histogram_of_d")
def _histogram_of_d(segments: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    return histogram_of_d(segments, settings["segments"], settings)


def _histogram_title(items: pd.DataFrame, negation: str) -> str:
    if items.empty:
        return f"negation in {negation}: no items"
    counts = items["segment"].value_counts()
    sizes = ", ".join(f"{counts.get(name, 0)} {name}" for name in SEGMENTS)
    accuracy = items["correct"].mean()
    return f"negation in {negation}: {len(items)} items, accuracy {accuracy:.1%}\n({sizes})"


def _bins(d: pd.Series, lower: float, upper: float, about: int = 30) -> np.ndarray:
    """Edges of about 30 bins, none of which contains items of two segments."""
    lowest, highest = min(d.min(), lower), max(d.max(), upper)
    width = (highest - lowest) / about or 1.0
    if upper - lower >= width:
        width = (upper - lower) / round((upper - lower) / width)
    first = int(np.floor((lowest - lower) / width))
    last = int(np.ceil((highest - lower) / width)) + 1
    return lower + width * np.arange(first, last + 1)
