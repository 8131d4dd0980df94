"""Figure of the specification curve: ranks of the named heads, and the choices behind each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from negtrace.figures.registry import draws
from negtrace.figures.style import figure_width, note, styled
from negtrace.statistics.specification import CHOICES, HEAD

# Okabe and Ito's colours, for eyes that see them differently too; then from the start again.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
RANKS_HEIGHT = 2.4  # inches
ROW_HEIGHT = 0.15


@draws("specification")
@styled
def specification_figure(curve: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """Ranks of the named heads over all specifications, above the choices that each makes.

    Args:
        curve: table ``specification``.
        settings: the configuration's ``figures``.
    """
    if curve.empty:
        return note("no head is named: there is none to follow through other choices")
    rows = choice_rows(curve)
    heights = [RANKS_HEIGHT, ROW_HEIGHT * len(rows)]
    figure = Figure(figsize=(figure_width(settings), sum(heights) + 0.9))
    ranks, choices = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    for number, ((layer, head), part) in enumerate(curve.groupby(HEAD, sort=False)):
        style = number % len(COLOURS)
        ranks.scatter(
            part["specification"],
            part["rank"],
            s=11,
            color=COLOURS[style],
            marker=MARKERS[style],
            linewidth=0,
            label=f"{layer}.{head}",
        )
    ranks.set(yscale="log", ylabel=f"rank of {curve['n_heads'].max()} heads")
    ranks.set_ylim(1.3 * max(2, curve["rank"].max()), 0.8)
    ranks.yaxis.set_major_formatter(FuncFormatter(lambda rank, _: f"{rank:g}"))
    ranks.yaxis.set_minor_formatter("")
    _draw_choices(choices, rows)
    count = curve["specification"].nunique()
    figure.suptitle(f"Rank of the named heads (block.head) in {count} specifications")
    figure.set_layout_engine("constrained")
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def choice_rows(curve: pd.DataFrame) -> dict[str, np.ndarray]:
    """Numbers of the specifications that make each choice, by the choice in words.

    What all specifications have in common is left out.
    """
    every = curve.drop_duplicates("specification")
    return {
        f"{name} {value}": every.loc[every[name] == value, "specification"].to_numpy()
        for name in ["effect", *CHOICES]
        if every[name].nunique() > 1
        for value in every[name].drop_duplicates().sort_values().astype(object)
    }


def _draw_choices(axis: Axes, rows: Mapping[str, np.ndarray]) -> None:
    """A line of ticks for every choice."""
    for height, places in enumerate(rows.values()):
        axis.scatter(places, np.full(len(places), height), s=9, marker="|", color="0.25")
    axis.set_yticks(range(len(rows)), list(rows))
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0, labelsize=6.5)
    axis.set_xlabel("specification")
