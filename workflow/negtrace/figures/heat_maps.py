"""Heat maps: one grid per negation, side by side, on one colour scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from negtrace.errors import InputError
from negtrace.figures.shown import available_segment, segment_label, sides
from negtrace.figures.style import figure_width, new_figure
from negtrace.vocabulary import NEGATIONS, Negation, in_sentence_order

PALETTE = "vlag"
HATCH_COLOUR = "0.62"
ALPHA = 0.05

# More cells than this in one panel are shown without their numbers.
MOST_ANNOTATED_CELLS = 260

# Cells in inches; columns that would get narrower make the figure wider.
CELL_HEIGHT = {True: 0.25, False: 0.16}
LEAST_CELL_WIDTH = {True: 0.22, False: 0.12}
LEAST_TICK_DISTANCE = 0.2
MARGIN = 1.6
BARS_HEIGHT = 1.3


class Panels(NamedTuple):
    """The same map for each negation, with the same rows and columns."""

    means: dict[Negation, pd.DataFrame]  # negation -> rows x columns
    deviations: dict[Negation, pd.DataFrame]  # negation -> rows x columns, see `cte_map`
    failing: dict[Negation, pd.DataFrame]  # negation -> rows x columns: not significant, and not 0
    counts: Mapping[Negation, int]  # negation -> number of items
    few: Mapping[Negation, bool]  # negation -> whether its tests rest on few clusters
    label: str  # which items, in words

    @property
    def shape(self) -> tuple[int, int]:
        return next(iter(self.means.values())).shape

    @property
    def largest(self) -> float:
        """Largest absolute mean in either panel; 1 if all are 0 or there is none."""
        largest = (float(np.nanmax(np.abs(grid.to_numpy()))) for grid in self._filled)
        return max(largest, default=0.0) or 1.0

    @property
    def lowest(self) -> float:
        return min((float(np.nanmin(grid.to_numpy())) for grid in self._filled), default=0.0)

    @property
    def highest(self) -> float:
        return max((float(np.nanmax(grid.to_numpy())) for grid in self._filled), default=0.0)

    @property
    def _filled(self) -> list[pd.DataFrame]:
        return [grid for grid in self.means.values() if grid.notna().any(axis=None)]


def paired_grids(
    table: pd.DataFrame,
    wanted: str,
    rows: str,
    columns: str,
    effect: str = "mean",
    alpha: float = ALPHA,
    panels: Sequence[Negation] | None = None,
) -> Panels:
    """Lay a map out as one grid per negation.

    Args:
        table: a map with columns negation, segment, mean, sd, n_items; or with effect sizes, their
            limits and p_fwer, as ``restoration_map``.
        wanted: the segment; all items if it is empty.
        rows, columns: the columns of `table` that become rows and columns; roles are put in
            sentence order.
        effect: the column that is shown.
        alpha: cells with a larger family-wise p, which segments have not, are marked as failing.
        panels: which negations to lay out (default: those that have items).

    Raises:
        InputError: the table has no items.
    """
    shown = table[table["segment"] == available_segment(table, wanted)]
    shown = shown[shown["negation"].isin(NEGATIONS)]
    if shown.empty:
        raise InputError("a map without items cannot be drawn: check filter.min_votes")
    if effect != "mean":
        spread = (shown[f"{effect}_ci_high"] - shown[f"{effect}_ci_low"]) / 2
        shown = shown.assign(mean=shown[effect], sd=spread)
    if effect == "ratio":  # of a denominator that may be 0: no number
        shown = shown.assign(mean=shown["mean"].where(shown["sd"].notna()))
    tested = "p_fwer" in shown
    fails = (shown["p_fwer"] > alpha) & (shown["mean"].fillna(0) != 0) if tested else False
    shown = shown.assign(fails=fails)
    labels = [_ordered(shown[name]) for name in (rows, columns)]
    parts = {n: shown[shown["negation"] == n] for n in panels or sides(shown)}

    def grids(value: str) -> dict[Negation, pd.DataFrame]:
        return {n: _grid(part, rows, columns, value, *labels) for n, part in parts.items()}

    counts = {n: int(part["n_items"].max()) if len(part) else 0 for n, part in parts.items()}
    label = segment_label(table, wanted)
    few = {n: tested and _few_clusters(part) for n, part in parts.items()}
    return Panels(grids("mean"), grids("sd"), grids("fails"), counts, few, label)


def _few_clusters(part: pd.DataFrame) -> bool:
    return "few_clusters" in part and bool(part.loc[part["p_fwer"].notna(), "few_clusters"].any())


def _ordered(values: pd.Series) -> list[Any]:
    """Distinct labels: roles in sentence order, numbers in numerical order."""
    return in_sentence_order(values) if values.name == "role" else sorted(set(values))


def _grid(
    part: pd.DataFrame, rows: str, columns: str, value: str, index: list[Any], header: list[Any]
) -> pd.DataFrame:
    plain = part.assign(**{name: part[name].astype(object) for name in (rows, columns)})
    grid = plain.pivot(index=rows, columns=columns, values=value)
    return grid.reindex(index=index, columns=header).astype(float)


def highest_cells(grid: pd.DataFrame, count: int) -> list[tuple[int, int]]:
    """(row, column) of the highest positive values, the highest first."""
    values = np.nan_to_num(grid.to_numpy(), nan=-np.inf)
    order = np.argsort(-values, axis=None, kind="stable")[:count]
    cells = [np.unravel_index(flat, values.shape) for flat in order]
    return [(int(row), int(column)) for row, column in cells if values[row, column] > 0]


def heat_maps(
    panels: Panels,
    settings: Mapping[str, Any],
    limit: float,
    label: str,
    below: bool,
    second: Panels | None = None,
) -> tuple[Figure, np.ndarray]:
    """One heat map per negation on one scale from -limit to limit, and axes below if wanted.

    Args:
        second: maps of the same rows and columns, to stand under the first.
    """
    stacked = [panels, second] if second else [panels]
    rows, columns = panels.shape
    negations = list(panels.means)
    annotate = settings.get("annotate", True) and rows * columns <= MOST_ANNOTATED_CELLS
    across = len(negations) * columns
    cell = max(LEAST_CELL_WIDTH[annotate], (figure_width(settings) - MARGIN) / across)
    step = ceil(LEAST_TICK_DISTANCE / cell)
    heights = [CELL_HEIGHT[annotate] * rows] * len(stacked) + [BARS_HEIGHT] * below
    figure, axes = new_figure(
        cell * across + MARGIN,
        sum(heights) + 1.3,
        len(heights),
        len(negations),
        height_ratios=heights,
        sharex="col",
        sharey="row",
    )
    for number, column in np.ndindex(len(stacked), len(negations)):
        negation, shown = negations[column], stacked[number]
        axis: Any = axes[number, column]
        axis.set_facecolor("0.85")
        sns.heatmap(
            shown.means[negation],
            ax=axis,
            cmap=settings.get("palette", PALETTE),
            vmin=-limit,
            vmax=limit,
            annot=numbers(shown.means[negation]) if annotate else None,
            fmt="",
            xticklabels=step,
            yticklabels=1,
            annot_kws={"size": float(np.clip(24 * cell, 4.5, 7.5))},
            linewidths=0.3,
            cbar=False,
        )
        _hatch(axis, shown.failing[negation])
        few = ", few clusters" if shown.few[negation] else ""
        which = f"negation in {negation}" if number == 0 else shown.label
        axis.set(title=f"{which} ({shown.counts[negation]} items{few})", xlabel="", ylabel="")
        axis.tick_params(axis="y", rotation=0, length=0, labelleft=column == 0)
        last = number == len(stacked) - 1 and not below
        axis.tick_params(axis="x", rotation=0, length=0, labelbottom=last)
        if below:
            axes[-1, column].tick_params(axis="x", length=0, labelbottom=True)
    # Not before: sns.heatmap draws the whole figure, and laying it out each time is slow.
    figure.set_layout_engine("constrained")
    _colour_bar(figure, axes[0], panels, limit, label)
    return figure, axes


def _hatch(axis: Axes, failing: pd.DataFrame) -> None:
    """Mark the cells that are true."""
    for row, place in zip(*np.nonzero(failing.to_numpy() == 1), strict=True):
        axis.add_patch(
            Rectangle(
                (place, row), 1, 1, fill=False, hatch="////", edgecolor=HATCH_COLOUR, linewidth=0
            )
        )


def numbers(grid: pd.DataFrame) -> np.ndarray:
    """What is written into cells: two decimals, but a bare 0 for exactly 0 and no minus zero."""

    def text(value: float) -> str:
        return "0" if value == 0 else f"{value:z.2f}"

    return np.array([[text(value) for value in row] for row in grid.to_numpy()])


def _colour_bar(figure: Figure, axes: np.ndarray, panels: Panels, limit: float, label: str) -> None:
    """One scale for all panels, cut to the values that occur; pointed where some lie beyond."""
    beyond = (panels.lowest < -limit - 1e-6, panels.highest > limit + 1e-6)
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[beyond]
    bar = figure.colorbar(
        axes[0].collections[0], ax=list(axes), extend=extend, label=label, aspect=15, pad=0.02
    )
    bar.outline.set_visible(False)
    if not beyond[0]:
        bar.ax.set_ylim(min(0.0, max(-limit, panels.lowest)), limit)
