"""Figure of attribution: what gradients say of every cell, against what patching does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from negtrace.figures.registry import draws
from negtrace.figures.style import figure_width, note, styled
from negtrace.vocabulary import ATTRIBUTIONS, SITES

PANEL = 2.4  # inches
PANELS_ACROSS = 3
STYLES = {
    "atp": ("#0072B2", "o"),
    "atp_qk": ("#009E73", "^"),
    "ig": ("#D55E00", "x"),
}


@draws("attribution")
@styled
def attribution_figure(cells: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """A panel per site, a point per cell and method; on the dashed line both agree.

    Args:
        cells: table ``attribution_map``; its first direction is shown.
        settings: the configuration's ``figures``.
    """
    if cells.empty:
        return note("no cell was patched that gradients could be compared with")
    shown = cells[cells["direction"] == cells["direction"].iloc[0]].astype({"site": str})
    sites = list(dict.fromkeys(shown["site"]))
    across = min(PANELS_ACROSS, len(sites))
    down = -(-len(sites) // across)
    figure = Figure(figsize=(figure_width(settings), PANEL * down + 0.6))
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axis, site in zip(panels, sites, strict=False):
        of_site = shown[shown["site"] == site]
        for method, (colour, marker) in STYLES.items():
            points = of_site[of_site["method"] == method]
            axis.scatter(
                points["exact"], points["estimate"], s=9, color=colour, marker=marker, linewidth=0.8
            )
        axis.axline((0, 0), slope=1, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
        label = SITES[site].label if site in SITES else "edges"
        count = of_site.groupby("method", observed=True).size().max()
        axis.set(title=f"{label} ({count} cells)", xlabel="by patching, logits")
        axis.margins(0.08)
    for axis in panels[::across]:
        axis.set_ylabel("by gradients, logits")
    for axis in panels[len(sites) :]:
        axis.set_axis_off()
    used = [method for method in STYLES if method in set(shown["method"])]
    lines = [
        Line2D([], [], color=STYLES[m][0], marker=STYLES[m][1], linestyle="", markersize=4)
        for m in used
    ]
    figure.suptitle("Mean change of the score: attribution against patching")
    figure.set_layout_engine("constrained")
    labels = [ATTRIBUTIONS[method].label for method in used]
    figure.legend(lines, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure
