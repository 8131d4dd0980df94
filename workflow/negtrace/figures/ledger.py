"""Figure of the ledger: published values against ours, one panel per published figure."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from negtrace.figures.style import CM_PER_INCH, WIDTH_CM, styled
from negtrace.replication.ledger import DEVIATES, NOT_COMPARABLE, REPLICATES
from negtrace.replication.publication import STRUCTURAL

COLUMNS = 4
PANEL_HEIGHT = 1.06  # of a panel's width
LEGEND_HEIGHT = 0.6  # inches
MARGIN = 0.06  # of the range of values, around it
TITLE_SIZE = 7
TICK_SIZE = 6
BAND_COLOUR = "0.85"

# Structural cells lie below, deviating ones above the others.
MARKERS: dict[str, dict[str, Any]] = {
    STRUCTURAL: {"marker": "o", "s": 8, "color": "0.6", "linewidths": 0, "zorder": 2},
    NOT_COMPARABLE: {
        "marker": "o",
        "s": 9,
        "facecolors": "none",
        "edgecolors": "#666666",
        "linewidths": 0.5,
        "zorder": 3,
    },
    REPLICATES: {
        "marker": "o",
        "s": 9,
        "color": "#0072B2",
        "alpha": 0.75,
        "linewidths": 0,
        "zorder": 4,
    },
    DEVIATES: {"marker": "x", "s": 14, "color": "#D55E00", "linewidths": 0.9, "zorder": 5},
}
LABELS = {STRUCTURAL: "same with any weights"}


@styled
def ledger_figure(ledger: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """Published values (x) against ours (y), with the identity and the tolerance around it.

    Args:
        ledger: see `ledger.ledger`.
        settings: the configuration's ``figures``.
    """
    panels = list(ledger.groupby("figure", sort=False, observed=True))
    rows = ceil(len(panels) / COLUMNS)
    width = settings.get("width_cm", WIDTH_CM) / CM_PER_INCH
    height = rows * PANEL_HEIGHT * width / COLUMNS + LEGEND_HEIGHT
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    for axis, (name, cells) in zip(axes.flat, panels, strict=False):
        _panel(axis, str(name), cells)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis in axes[-1]:
        axis.set_xlabel("published", fontsize=TITLE_SIZE)
    for axis in axes[:, 0]:
        axis.set_ylabel("ours", fontsize=TITLE_SIZE)
    figure.legend(handles=_legend(ledger), loc="outside lower center", ncols=5, frameon=False)
    return figure


def _panel(axis: Axes, name: str, cells: pd.DataFrame) -> None:
    kinds = cells["verdict"].astype(object).mask(cells["structural"], STRUCTURAL)
    # A structural cell that deviates is the most alarming of all, not a grey one.
    kinds = kinds.mask(cells["verdict"] == DEVIATES, DEVIATES)
    measured = cells["ours"].notna()
    axis.set_box_aspect(1)
    axis.set_title(f"{name}\n{_verdict(cells)}", fontsize=TITLE_SIZE)
    if not measured.any():
        axis.set(xticks=[], yticks=[])
        axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", va="center")
        return
    tolerance = cells["tolerance"].max()
    low, high = _limits(cells)
    line = np.array([low, high])
    axis.fill_between(line, line - tolerance, line + tolerance, color=BAND_COLOUR, linewidth=0)
    axis.plot(line, line, color="0.5", linewidth=0.5, zorder=1)
    for kind, marker in MARKERS.items():
        shown = cells[measured & (kinds == kind)]
        axis.scatter(shown["published"], shown["ours"], **marker)
    axis.set(xlim=(low, high), ylim=(low, high))
    axis.tick_params(labelsize=TICK_SIZE, length=2)
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(MaxNLocator(4))


def _limits(cells: pd.DataFrame) -> tuple[float, float]:
    """One range for both axes, with a margin that is wider than the tolerance."""
    values = cells[["published", "ours"]].to_numpy(float)
    low, high = np.nanmin(values), np.nanmax(values)
    margin = max(MARGIN * (high - low), 1.5 * cells["tolerance"].max())
    return float(low - margin), float(high + margin)


def _verdict(cells: pd.DataFrame) -> str:
    """How many values replicate; of structural ones where a figure has no others."""
    own = cells[~cells["structural"]]
    own = own if len(own) else cells
    compared = own[own["verdict"] != NOT_COMPARABLE]
    if compared.empty:
        return NOT_COMPARABLE
    count = int((compared["verdict"] == REPLICATES).sum())
    return f"{count} of {len(compared)} within {compared['tolerance'].iloc[0]:g}"


def _legend(ledger: pd.DataFrame) -> list[Line2D | Patch]:
    """One entry per kind of point that occurs."""
    occurring = {*ledger["verdict"], *([STRUCTURAL] if ledger["structural"].any() else [])}
    handles: list[Line2D | Patch] = []
    for kind, style in MARKERS.items():
        if kind in occurring:
            colour = style.get("color", style.get("edgecolors"))
            handles.append(
                Line2D(
                    [],
                    [],
                    linestyle="",
                    marker=style["marker"],
                    markersize=4,
                    color=colour,
                    markerfacecolor=style.get("facecolors", colour),
                    label=LABELS.get(kind, kind),
                )
            )
    return [*handles, Patch(color=BAND_COLOUR, label="tolerance")]
