"""Figures of what makes an item hard: features of items against d, heads against d.

As in Quantmeyer et al. (2024), with the negation in the foil on the left and in the caption on the
right.  No figure shows a p-value: items share pairs, which the usual ones ignore.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from negtrace.analyses.features import NO_PEOPLE
from negtrace.figures.heat_maps import heat_maps, paired_grids
from negtrace.figures.registry import draws
from negtrace.figures.shown import sides
from negtrace.figures.style import (
    BAR_COLOUR,
    SEGMENT_COLOURS,
    figure_width,
    new_figure,
    note,
    styled,
    titled,
)
from negtrace.statistics.correlations import correlate
from negtrace.vocabulary import ALL, NEGATIONS

NO_PEOPLE_COLOUR = SEGMENT_COLOURS["incorrect"]
PANEL_HEIGHT = 2.6  # inches


@draws("selectivity_correlation")
@styled
def selectivity_correlation_map(table: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """Heads x blocks: Pearson correlation over items of a head's selectivity with d.

    Args:
        table: ``selectivity_correlation``.
        settings: the configuration's ``figures``.
    """
    shown = table[table["negation"].isin(NEGATIONS)]
    if shown["pearson"].isna().all():
        return note("no head's selectivity varies over enough items to be correlated with d")
    panels = paired_grids(
        shown.assign(segment=ALL, mean=shown["pearson"], sd=np.nan), ALL, "head", "layer"
    )
    label = "correlation with d"
    figure, axes = heat_maps(panels, settings, panels.largest, label, below=False)
    titled(figure, "Correlation of negator selectivity with d by head", panels.label)
    axes[0, 0].set_ylabel("head")
    for axis in axes[0]:
        axis.set_xlabel("block")
    return figure


@draws("d_by_similarity")
@styled
def d_against_similarity(features: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """d against the similarity of an item's two sentences, a point per item.

    Items about "There are no people." are marked; the dashed line leaves them out.

    Args:
        features: ``item_features``.
        settings: the configuration's ``figures``.
    """
    x = "caption_foil_similarity"
    if features[x].isna().all():
        return note("no item has a similarity of caption and foil")
    figure, axes = _panels(features, settings, x, "cosine of caption and foil")
    legend = None
    for axis, negation in zip(axes[0], sides(features), strict=True):
        items = features[features["negation"] == negation]
        marked, others = items[items["no_people"]], items[~items["no_people"]]
        if marked.empty:
            continue
        points = axis.scatter(marked[x], marked["d"], s=9, color=NO_PEOPLE_COLOUR, linewidth=0)
        line = _line(axis, others, x, linestyle="--")
        axis.set_title(f"{axis.get_title()}\nwithout the marked items: {_strength(others, x)}")
        legend = ([points, line], [NO_PEOPLE, "without them"])
    _finish(figure, axes, "d against the similarity of caption and foil")
    if legend:
        figure.legend(*legend, loc="outside lower center", ncols=2, frameon=False)
    return figure


@draws("d_by_subject_size")
@styled
def d_against_area(
    features: pd.DataFrame, accuracy: pd.DataFrame, settings: Mapping[str, Any]
) -> Figure:
    """d against the subject's share of the image, below it the accuracy of larger subjects.

    Args:
        features: ``item_features``.
        accuracy: ``accuracy_above_area``.
        settings: the configuration's ``figures``.
    """
    if features["subject_area"].isna().all():
        return note(
            "no subject sizes: this dataset has neither masks nor boxes, and no CLIPSeg run"
        )
    label = "subject's share of the image"
    figure, axes = _panels(features, settings, "subject_area", label, rows=2)
    for axis, negation in zip(axes[1], sides(features), strict=True):
        _accuracy_curve(axis, accuracy[accuracy["negation"] == negation])
    axes[1, 0].set_ylabel("share of items with d > 0")
    _finish(figure, axes, "d against the size of the subject")
    return figure


@draws("d_by_tokens")
@styled
def d_against_tokens(features: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """d against the number of tokens of the caption, a point per item.

    Args:
        features: ``item_features``.
        settings: the configuration's ``figures``.
    """
    if features.empty:
        return note("no items, so no numbers of tokens")
    label = "tokens of the caption, start to EOT"
    figure, axes = _panels(features, settings, "n_tokens", label)
    for axis in axes[0]:
        axis.xaxis.get_major_locator().set_params(integer=True)
    _finish(figure, axes, "d against the length of the caption")
    return figure


def _panels(
    features: pd.DataFrame, settings: Mapping[str, Any], x: str, label: str, rows: int = 1
) -> tuple[Figure, np.ndarray]:
    """A scatter plot of d against a feature for each negation, with its regression line."""
    height, negations = PANEL_HEIGHT * rows, sides(features)
    figure, axes = new_figure(
        figure_width(settings), height, rows, len(negations), sharex="row", sharey="row"
    )
    for axis, negation in zip(axes[0], negations, strict=True):
        items = features[features["negation"] == negation].dropna(subset=[x])
        axis.axhline(0, color="0.8", linewidth=0.6, zorder=0)
        axis.scatter(items[x], items["d"], s=9, color="0.45", alpha=0.55, linewidth=0)
        _line(axis, items, x)
        title = f"negation in {negation} ({len(items)} items): {_strength(items, x)}"
        axis.set(title=title, xlabel=label)
    return figure, axes


def _line(axis: Axes, items: pd.DataFrame, x: str, **style: Any) -> Line2D:
    """Least-squares line of d over the range of x; an empty one where x or d does not vary."""
    ends, heights = np.array([]), np.array([])
    if _correlation(items, x) is not None:
        slope, intercept = np.polyfit(items[x], items["d"], 1)
        ends = np.array([items[x].min(), items[x].max()])
        heights = intercept + slope * ends
    return axis.plot(ends, heights, color="black", linewidth=1.1, **style)[0]


def _strength(items: pd.DataFrame, x: str) -> str:
    r = _correlation(items, x)
    return "r not defined" if r is None else f"r = {r:.2f}"


def _correlation(items: pd.DataFrame, x: str) -> float | None:
    """Pearson's r of d with x over the items that have an x; None where it is not defined."""
    r = correlate(items[[x]], items["d"])["pearson"].iloc[0]
    return None if np.isnan(r) else float(r)


def _accuracy_curve(axis: Axes, accuracy: pd.DataFrame) -> None:
    """Accuracy by least area; the number of items is written at each point."""
    shown = accuracy.dropna(subset=["accuracy"])
    axis.plot(shown["threshold"], shown["accuracy"], marker="o", markersize=4, color=BAR_COLOUR)
    for row in shown.itertuples():
        axis.annotate(
            f"{row.n_items}",
            (row.threshold, row.accuracy),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
        )
    axis.set(ylim=(0, 1.12), xlabel="least share of the image (number of items at each point)")
    if len(accuracy):
        thresholds = list(accuracy["threshold"])
        axis.set_xticks(thresholds, [f"{value:g}" for value in thresholds])
        margin = 0.06 * (thresholds[-1] - thresholds[0] or 1)  # room for the numbers of items
        axis.set_xlim(thresholds[0] - margin, thresholds[-1] + margin)


def _finish(figure: Figure, axes: np.ndarray, title: str) -> None:
    figure.set_layout_engine("constrained")
    figure.suptitle(title)
    axes[0, 0].set_ylabel("d = S(caption) − S(foil)")
