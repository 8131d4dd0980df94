"""Figure of the mechanism: what acting heads are owed to, and what they write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from negtrace.figures.registry import draws
from negtrace.figures.style import figure_width, note, styled
from negtrace.vocabulary import ALL

ROW, LEAST_HEIGHT = 0.42, 2.4  # inches
MOST_HEADS = 20
PARTS = {
    "both": ("#000000", "o", "whole head"),
    "attention": ("#0072B2", "s", "attention alone"),
    "values": ("#D55E00", "^", "values alone"),
}
AXES = {
    "negation": ("#009E73", "o", "along the negation"),
    "noun": ("#CC79A7", "s", "along the noun"),
}


@draws("mechanism")
@styled
def mechanism_figure(
    verdicts: pd.DataFrame,
    parts: pd.DataFrame,
    writes: pd.DataFrame,
    settings: Mapping[str, Any],
) -> Figure:
    """A row per acting head: its effect and that of its parts; what it writes, beside controls.

    Args:
        verdicts, parts, writes: tables ``mechanism``, ``head_part_map`` and ``head_write_map``.
        settings: the configuration's ``figures``.
    """
    acting = verdicts[verdicts["acts"]]
    if acting.empty:
        return note("no head acts: none is significant, exceeds its placebo and is worth enough")
    rows = parts[parts["negation"] == ALL].astype({"part": str})
    strongest = rows[rows["part"] == "both"].merge(acting[["layer", "head"]])
    order = strongest.sort_values("ratio", key=abs).tail(MOST_HEADS)[["layer", "head"]]
    names = [f"{row.layer}.{row.head}" for row in order.itertuples()]
    height = max(LEAST_HEIGHT, ROW * len(names) + 1.4)
    figure = Figure(figsize=(figure_width(settings), height))
    left, right = figure.subplots(1, 2, sharey=True)
    _whiskers(left, rows, "part", PARTS, order)
    _whiskers(right, writes.astype({"axis": str}), "axis", AXES, order)
    _controls(right, writes.astype({"axis": str}), order)
    left.set(yticks=range(len(names)), yticklabels=names, ylabel="head", xlabel="share of d")
    right.set(xlabel="share of the whole")
    left.set_title(f"patched ({strongest['n_items'].max()} items)")
    right.set_title(f"written ({writes['n_pairs'].max()} pairs; grey: controls)")
    left.set_ylim(-0.6, len(names) - 0.4)
    for axis in (left, right):
        axis.axvline(0, color="0.6", linewidth=0.6, zorder=0)
    figure.set_layout_engine("constrained")
    figure.legend(loc="outside lower center", ncols=5, frameon=False)
    return figure


def _whiskers(
    axis: Axes,
    table: pd.DataFrame,
    column: str,
    styles: Mapping[str, tuple[str, str, str]],
    order: pd.DataFrame,
) -> None:
    """Ratios with intervals, a colour for each value of a column, a row for each head."""
    for number, (name, (colour, marker, label)) in enumerate(styles.items()):
        of = order.merge(table[table[column] == name], how="left", on=["layer", "head"])
        error = [
            (of["ratio"] - of["ratio_ci_low"]).clip(lower=0),
            (of["ratio_ci_high"] - of["ratio"]).clip(lower=0),
        ]
        height = np.arange(len(of)) + 0.2 * (len(styles) - 1) / 2 - 0.2 * number
        axis.errorbar(
            of["ratio"],
            height,
            xerr=error,
            color=colour,
            marker=marker,
            markersize=4,
            linestyle="",
            linewidth=0.9,
            label=label,
        )


def _controls(axis: Axes, table: pd.DataFrame, order: pd.DataFrame) -> None:
    """Both controls of what is written, as grey ticks in the rows of each direction."""
    for number, name in enumerate(AXES):
        of = order.merge(table[table["axis"] == name], how="left", on=["layer", "head"])
        height = np.arange(len(of)) + 0.1 - 0.2 * number
        for control in ("swap", "control"):
            axis.scatter(of[control].astype(float), height, marker="|", s=30, color="0.6", zorder=0)
