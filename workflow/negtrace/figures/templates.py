"""Figure of templates: restoration by template, negator and head, with the consensus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from negtrace.figures.heat_maps import PALETTE
from negtrace.figures.style import CM_PER_INCH, WIDTH_CM, styled

ROW = 0.17  # inches
MARGIN = 1.6
FACTORS = ("template", "negator")


@styled
def template_figure(
    levels: pd.DataFrame, consensus: pd.DataFrame, settings: Mapping[str, Any]
) -> Figure:
    """A row per template and per negator, a column per head; dots where a head holds.

    Frames are around the heads that hold in most templates, or with most negators; a ratio whose
    denominator may be 0 is left blank.

    Args:
        levels: table ``template_map`` of site head and one direction.
        consensus: table ``template_consensus`` of the same.
        settings: the configuration's ``figures``.
    """
    bounded = levels["ratio"].where(levels["ratio_ci_low"].notna())  # else d may well be 0
    levels = levels.assign(ratio=bounded)
    grids = [_grid(levels[levels["factor"] == factor], "ratio") for factor in FACTORS]
    holding = [_grid(levels[levels["factor"] == factor], "holds") for factor in FACTORS]
    rows = [len(grid) for grid in grids]
    width = max(settings.get("width_cm", WIDTH_CM) / CM_PER_INCH, 2 + 0.14 * grids[0].shape[1])
    figure = Figure(figsize=(width, MARGIN + ROW * sum(rows)))
    figure.set_layout_engine("constrained")
    axes = figure.subplots(2, 1, height_ratios=rows)
    largest = levels["ratio"].abs().max()
    largest = float(largest) if largest > 0 else 1.0
    for axis, factor, grid, holds in zip(axes, FACTORS, grids, holding, strict=True):
        sns.heatmap(
            grid,
            ax=axis,
            cmap=settings.get("palette", PALETTE),
            vmin=-largest,
            vmax=largest,
            linewidths=0.3,
            cbar=False,
        )
        for row, column in np.argwhere(holds.to_numpy() == 1):
            axis.plot(column + 0.5, row + 0.5, "k.", markersize=3)
        _frame(axis, grid, consensus[consensus["factor"] == factor])
        axis.set(ylabel=factor, xlabel="")
        axis.tick_params(length=0)
        axis.tick_params(axis="x", rotation=90)
        axis.tick_params(axis="y", rotation=0)
    axes[1].set_xlabel("block.head")
    figure.suptitle("Restoration by template, negator and head")
    bar = figure.colorbar(axes[0].collections[0], ax=axes, label="restoration", aspect=30)
    bar.outline.set_visible(False)
    return figure


def _grid(levels: pd.DataFrame, column: str) -> pd.DataFrame:
    """Levels as rows in order of appearance, heads as columns by block and head."""
    order = list(dict.fromkeys(levels["level"].astype(str)))
    wide = levels.astype({"level": str, "layer": int, "head": int}).pivot(
        index="level", columns=["layer", "head"], values=column
    )
    wide = wide.sort_index(axis="columns").loc[order].astype(float)
    return wide.set_axis([f"{cell[0]}.{cell[1]}" for cell in wide.columns], axis="columns")


def _frame(axis: Axes, grid: pd.DataFrame, consensus: pd.DataFrame) -> None:
    for block, head in consensus.loc[consensus["consensus"], ["layer", "head"]].to_numpy():
        at = list(grid.columns).index(f"{block}.{head}")
        axis.add_patch(
            Rectangle((at, 0), 1, len(grid), fill=False, edgecolor="black", linewidth=1.2)
        )
