"""Figures: tables in, matplotlib figures out.

Each map shows items with the negation in the foil (left) and in the caption (right), as Quantmeyer
et al. (2024) do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import seaborn as sns  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from negtrace.effects import ALL, SEGMENTS  # noqa: E402
from negtrace.store import atomic_path  # noqa: E402

NEGATIONS = ("foil", "caption")
ROLE_ORDER = (
    "SOT",
    "there",
    "be",
    "determiner",
    "shared_before",
    "edit",
    "shared_after",
    "subject_first",
    "subject_rest",
    "full_stop",
    "EOT",
    ALL,
)
SEGMENT_COLOURS = {"correct": "#0072B2", "ambiguous": "#999999", "incorrect": "#D55E00"}

# More cells than this are shown without their numbers.
MOST_ANNOTATED_CELLS = 260

# Same bytes for the same tables; text in SVG files stays text.
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "negtrace",
    "font.size": 8,
    "axes.titlesize": 9,
    "figure.constrained_layout.use": True,
}


def save(figure: Figure, stem: Path, formats: Sequence[str], dpi: int) -> None:
    """Write a figure as ``stem.svg``/``stem.png`` and close it."""
    metadata = {"svg": {"Date": None}, "png": {"Software": None}}
    for ending in formats:
        with plt.rc_context(STYLE), atomic_path(stem.with_name(f"{stem.name}.{ending}")) as path:
            figure.savefig(path, format=ending, dpi=dpi, metadata=metadata[ending])
    plt.close(figure)


def available_segment(table: pd.DataFrame, wanted: str) -> str:
    """The wanted segment if both negations have items in it, else all items."""
    found = set(table.loc[table["segment"] == wanted, "negation"])
    return wanted if set(NEGATIONS) <= found else ALL


def histogram_of_d(segments: pd.DataFrame, thresholds: Mapping[str, float]) -> Figure:
    """Histogram of d by segment, one panel per negation, with the thresholds."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(7.1, 2.6), sharex=True, sharey=True)
        bins = np.histogram_bin_edges(segments["d"], bins=30)
        for axis, negation in zip(axes, NEGATIONS, strict=True):
            items = segments[segments["negation"] == negation]
            sns.histplot(
                items,
                x="d",
                hue="segment",
                hue_order=SEGMENTS,
                palette=SEGMENT_COLOURS,
                multiple="stack",
                bins=bins,
                ax=axis,
                legend=negation == "caption",
            )
            for value in thresholds.values():
                axis.axvline(value, color="black", linewidth=0.8, linestyle="--")
            share = f", {items['correct'].mean():.1%} correct" if len(items) else ""
            axis.set(
                title=f"negation in {negation}: {len(items)} items{share}",
                xlabel="d = S(caption) − S(foil)",
                ylabel="items",
            )
    return figure


def cte_map(table: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """Roles x hidden states: mean restoration, and below it the standard deviations.

    Args:
        table: ``restoration_map`` of site resid in one direction.
        settings: the configuration's ``figures``.
    """
    segment = available_segment(table, settings["segment"])
    shown = table[table["segment"] == segment]
    grids = {n: role_grid(shown[shown["negation"] == n], "mean") for n in NEGATIONS}
    limit = max(1.0, *(np.nanmax(np.abs(grid.to_numpy())) for grid in grids.values()))
    rows, columns = next(iter(grids.values())).shape
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            2,
            2,
            figsize=(max(7.1, 1.1 + columns), 1.4 + 0.28 * rows + 1.6),
            height_ratios=(0.28 * rows + 0.6, 1.6),
            sharex="col",
            squeeze=False,
        )
        for column, negation in enumerate(NEGATIONS):
            grid = grids[negation]
            heat(axes[0, column], grid, limit, settings, bar=column == 1)
            items = _count(shown, negation)
            axes[0, column].set(
                title=f"negation in {negation}, {_label(segment)} (n = {items})",
                xlabel="",
                ylabel="patched token" if column == 0 else "",
            )
            deviations = role_grid(shown[shown["negation"] == negation], "sd")
            _deviation_bars(axes[1, column], deviations, legend=column == 1)
            axes[1, column].set(
                xlabel="hidden state", ylabel="standard deviation" if column == 0 else ""
            )
    return figure


def head_map(
    table: pd.DataFrame, settings: Mapping[str, Any], quantity: str, mark: int = 3
) -> Figure:
    """Heads x blocks: the mean of a quantity, the strongest cells framed, layer means below.

    Args:
        table: ``selectivity_map``, or ``restoration_map`` of site head in one direction.
        quantity: name of the averaged quantity.
        mark: how many of each panel's strongest cells get a frame.
    """
    segment = available_segment(table, settings["segment"])
    shown = table[table["segment"] == segment]
    grids = {
        n: shown[shown["negation"] == n].pivot(index="head", columns="layer", values="mean")
        for n in NEGATIONS
    }
    limit = max(np.nanmax(np.abs(grid.to_numpy())) for grid in grids.values()) or 1.0
    rows, columns = grids["foil"].shape
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            2,
            2,
            figsize=(max(7.1, 1.1 + columns), 1.2 + 0.26 * rows + 1.1),
            height_ratios=(0.26 * rows + 0.5, 1.1),
            sharex="col",
            sharey="row",
        )
        for column, negation in enumerate(NEGATIONS):
            grid = grids[negation]
            heat(axes[0, column], grid, limit, settings, bar=column == 1)
            _frame_strongest(axes[0, column], grid, mark)
            axes[0, column].set(
                title=f"{quantity}, negation in {negation}, {_label(segment)}"
                f" (n = {_count(shown, negation)})",
                xlabel="",
                ylabel="head" if column == 0 else "",
            )
            axes[1, column].bar(np.arange(columns) + 0.5, grid.mean(), color="#0072B2")
            axes[1, column].axhline(0, color="black", linewidth=0.6)
            axes[1, column].set(xlabel="block", ylabel="layer mean" if column == 0 else "")
    return figure


def attention_by_role(
    table: pd.DataFrame, selectivity: pd.DataFrame, settings: Mapping[str, Any]
) -> Figure:
    """Heads x query roles of one block: attention to the negator minus to its counterpart."""
    layer = settings["attention_layer"]
    if layer == "auto":
        layer = most_selective_layer(selectivity)
    segment = available_segment(table, settings["segment"])
    shown = table[(table["segment"] == segment) & (table["layer"] == layer)]
    grids = {
        n: _in_role_order(
            shown[shown["negation"] == n].pivot(index="role", columns="head", values="mean")
        ).T
        for n in NEGATIONS
    }
    limit = max(np.nanmax(np.abs(grid.to_numpy())) for grid in grids.values()) or 1.0
    rows = len(grids["foil"])
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(7.1, 1.4 + 0.26 * rows), sharey=True)
        for column, (axis, negation) in enumerate(zip(axes, NEGATIONS, strict=True)):
            heat(axis, grids[negation], limit, settings, bar=column == 1)
            axis.set(
                title=f"block {layer}, negation in {negation}, {_label(segment)}"
                f" (n = {_count(shown, negation)})",
                xlabel="query token",
                ylabel="head" if column == 0 else "",
            )
            axis.tick_params(axis="x", rotation=45)
    return figure


def most_selective_layer(selectivity: pd.DataFrame) -> int:
    """Block of the head with the highest mean selectivity over all items."""
    overall = selectivity[(selectivity["negation"] == ALL) & (selectivity["segment"] == ALL)]
    return int(overall.loc[overall["mean"].idxmax(), "layer"])


def role_grid(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """Roles (in sentence order) x layers."""
    return _in_role_order(table.pivot(index="role", columns="layer", values=value))


def _in_role_order(grid: pd.DataFrame) -> pd.DataFrame:
    return grid.loc[[role for role in ROLE_ORDER if role in grid.index]]


def heat(
    axis: plt.Axes, grid: pd.DataFrame, limit: float, settings: Mapping[str, Any], bar: bool
) -> None:
    """A heat map on a colour scale that is symmetric around 0."""
    sns.heatmap(
        grid,
        ax=axis,
        cmap="vlag",
        vmin=-limit,
        vmax=limit,
        annot=settings["annotate"] and grid.size <= MOST_ANNOTATED_CELLS,
        fmt=".2f",
        annot_kws={"size": 5.5},
        linewidths=0.3,
        cbar=bar,
    )
    axis.tick_params(axis="y", rotation=0)


def _deviation_bars(axis: plt.Axes, grid: pd.DataFrame, legend: bool) -> None:
    """One group of bars per layer, one bar per role that varies at all."""
    varying = grid[(grid > 0).any(axis=1)]
    colours = sns.color_palette("colorblind", len(varying))
    width = 0.8 / max(1, len(varying))
    for i, (role, values) in enumerate(varying.iterrows()):
        offsets = np.arange(len(values)) + 0.1 + (i + 0.5) * width
        axis.bar(offsets, values.fillna(0), width, label=role, color=colours[i])
    axis.set_xticks(np.arange(grid.shape[1]) + 0.5, grid.columns)
    if legend and len(varying):
        axis.legend(fontsize=5, ncols=2, frameon=False)


def _frame_strongest(axis: plt.Axes, grid: pd.DataFrame, count: int) -> None:
    values = grid.to_numpy()
    strongest = np.argsort(-np.nan_to_num(np.abs(values)), axis=None, kind="stable")[:count]
    for flat in strongest:
        row, column = np.unravel_index(flat, values.shape)
        axis.add_patch(
            plt.Rectangle((column, row), 1, 1, fill=False, edgecolor="black", linewidth=1.2)
        )


def _count(table: pd.DataFrame, negation: str) -> int:
    return int(table.loc[table["negation"] == negation, "n_items"].max())


def _label(segment: str) -> str:
    return "all items" if segment == ALL else f"{segment} items"
