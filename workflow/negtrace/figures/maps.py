"""Figures of maps: tables in, matplotlib figures out.

Each map shows items with the negation in the foil (left) and in the caption (right), as Quantmeyer
et al. (2024) do, on one colour scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from negtrace.errors import InputError
from negtrace.figures.donors import placebo_panels
from negtrace.figures.heat_maps import ALPHA, heat_maps, highest_cells, paired_grids
from negtrace.figures.registry import draws
from negtrace.figures.style import (
    BAR_COLOUR,
    ROLE_COLOURS,
    SEGMENT_COLOURS,
    figure_width,
    new_figure,
    note,
    styled,
    titled,
)
from negtrace.vocabulary import ALL, EFFECTS, NEGATIONS, ROLES, SEGMENTS, SITES

FRAMED_CELLS = 3
NO_COUNTERPART = (
    "attention cannot be compared: what differs has no counterpart in the other sentence"
)


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
    figure, axes = new_figure(figure_width(settings or {}), 2.9, 1, sharex=True, sharey=True)
    for axis, negation in zip(axes[0], NEGATIONS, strict=True):
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
        axis.set_ylabel("items" if negation == NEGATIONS[0] else "")
    figure.set_layout_engine("constrained")
    handles = [Rectangle((0, 0), 1, 1, color=SEGMENT_COLOURS[name]) for name in SEGMENTS]
    figure.legend(handles, list(SEGMENTS), loc="outside lower center", ncols=3, frameon=False)
    return figure


@draws("histogram_of_d", "segments")
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


@styled
def cte_map(
    table: pd.DataFrame,
    settings: Mapping[str, Any],
    segment: str | None = None,
    donors: pd.DataFrame | None = None,
) -> Figure:
    """Roles x hidden states (or blocks): restoration, below it how uncertain or varied it is.

    Below are the standard deviations over items of the paper's mean of ratios, or half the width
    of another effect's interval.  Colours run from -1 to 1 in every figure of shares, so that
    models compare.  Over all items, hatched cells do not differ significantly from 0.

    Args:
        table: ``restoration_map`` of a site that is patched by position, in one direction.
        settings: the configuration's ``figures``.
        segment: which items (default: the settings', else correct); all if it is empty.
        donors: ``donor_map`` of the same; its placebo is drawn under the map.
    """
    effect = shown_effect(table, settings)
    _, label, is_share = EFFECTS[effect]
    panels = paired_grids(
        table, wanted_segment(settings, segment), "role", "layer", effect, _alpha(settings)
    )
    site = str(table["site"].iloc[0])
    limit = 1.0 if is_share else panels.largest
    placebo = None if donors is None else placebo_panels(donors, panels, effect)
    figure, axes = heat_maps(panels, settings, limit, label, below=True, second=placebo)
    titled(figure, f"Restoration by patched token and {SITES[site].label}", panels.label)
    axes[0, 0].set_ylabel("patched token")
    for axis, negation in zip(axes[-1], NEGATIONS, strict=True):
        _deviation_bars(axis, panels.deviations[negation])
        axis.set_xlabel("hidden state" if site == "resid" else "block")
    axes[-1, 0].set_ylabel("standard deviation" if effect == "mean" else "± of interval")
    handles, labels = _bars_of_both(axes[-1])
    if handles:
        figure.legend(
            handles, labels, loc="outside lower center", ncols=min(len(labels), 6), frameon=False
        )
    return figure


def selectivity_map(
    table: pd.DataFrame, settings: Mapping[str, Any], segment: str | None = None
) -> Figure:
    """Heads x blocks: negator selectivity, with the means of blocks below.

    Args:
        table: ``selectivity_map``.
        settings: the configuration's ``figures``.
        segment: which items (default: the settings', else correct); all if it is empty.
    """
    return head_map(table, settings, "selectivity", segment)


@draws("selectivity", "selectivity_map")
def _selectivity(table: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    return note(NO_COUNTERPART) if table.empty else selectivity_map(table, settings)


def head_restoration(
    table: pd.DataFrame, settings: Mapping[str, Any], segment: str | None = None
) -> Figure:
    """Heads x blocks: restoration by one head at all positions, the highest framed.

    Args:
        table: ``restoration_map`` of a site of single heads, in one direction.
        settings: the configuration's ``figures``.
        segment: which items (default: the settings', else correct); all if it is empty.
    """
    return head_map(table, settings, "restoration", segment)


def restoration(
    table: pd.DataFrame, settings: Mapping[str, Any], segment: str | None = None
) -> Figure:
    """The figure of any site: `head_restoration` if it has heads, else `cte_map`.

    A site that no item can be patched at (attention patterns of sentences of different length)
    gets a figure that says so.
    """
    if table.empty:
        return note("no item of this study can be patched at this site")
    by_head = table["head"].notna().any()
    return (head_restoration if by_head else cte_map)(table, settings, segment)


def segment_map(
    table: pd.DataFrame,
    settings: Mapping[str, Any],
    segment: str,
    donors: pd.DataFrame | None = None,
) -> Figure:
    """`cte_map` of one segment, with an empty panel where a negation has no item in it."""
    inside = table[table["segment"] == segment]
    if inside.empty:
        return note(f"no item is {segment}")
    if donors is not None:
        donors = donors[donors["segment"] == segment]
    return cte_map(inside, settings, segment, donors)


@styled
def head_map(
    table: pd.DataFrame,
    settings: Mapping[str, Any],
    quantity: str,
    segment: str | None = None,
) -> Figure:
    """Heads x blocks: the mean of a quantity, the highest cells framed, block means below.

    Of restoration over all items, hatched cells do not differ significantly from 0.
    """
    effect = shown_effect(table, settings)
    _, label, is_share = EFFECTS[effect] if "ratio" in table else ("", f"mean {quantity}", True)
    panels = paired_grids(
        table, wanted_segment(settings, segment), "head", "layer", effect, _alpha(settings)
    )
    limit = min(1.0, panels.largest) if is_share else panels.largest
    figure, axes = heat_maps(panels, settings, limit, label, below=True)
    what = SITES[str(table["site"].iloc[0])].label if "site" in table else "head"
    titled(figure, f"{quantity.capitalize()} by {what}", panels.label)
    axes[0, 0].set_ylabel("head")
    for column, negation in enumerate(NEGATIONS):
        grid = panels.means[negation]
        for row, place in highest_cells(grid, FRAMED_CELLS):
            axes[0, column].add_patch(
                Rectangle((place, row), 1, 1, fill=False, edgecolor="black", linewidth=1.3)
            )
        axes[1, column].bar(np.arange(grid.shape[1]) + 0.5, grid.mean(), color=BAR_COLOUR)
        axes[1, column].axhline(0, color="black", linewidth=0.6)
        axes[1, column].set_xlabel("block")
    axes[1, 0].set_ylabel("block mean")
    return figure


@draws("attention_by_role", "attention_map", "selectivity_map")
@styled
def attention_by_role(
    table: pd.DataFrame,
    selectivity: pd.DataFrame,
    settings: Mapping[str, Any],
    segment: str | None = None,
) -> Figure:
    """Heads x query roles of one block: attention to the negator minus to its counterpart.

    Args:
        table: ``attention_map``.
        selectivity: ``selectivity_map``, to choose the block if the settings leave it open.
        settings: the configuration's ``figures``.
        segment: which items (default: the settings', else correct); all if it is empty.

    Raises:
        InputError: the model has no such block.
    """
    if table.empty or selectivity.empty:
        return note(NO_COUNTERPART)
    block = attention_layer(settings, selectivity)
    blocks = sorted(set(table["layer"]))
    if block not in blocks:
        raise InputError(
            f"figures.attention_layer is {block}, but the blocks are {blocks[0]} to {blocks[-1]}: "
            "choose one of them, or auto"
        )
    panels = paired_grids(
        table[table["layer"] == block], wanted_segment(settings, segment), "head", "role"
    )
    limit = min(1.0, panels.largest)
    figure, axes = heat_maps(panels, settings, limit, "difference of attention", below=False)
    titled(figure, f"Attention to the negator by query token, block {block}", panels.label)
    axes[0, 0].set_ylabel("head")
    for axis in axes[0]:
        axis.set_xlabel("query token")
        axis.set_xticks(axis.get_xticks(), axis.get_xticklabels(), rotation=40, ha="right")
    return figure


def shown_effect(table: pd.DataFrame, settings: Mapping[str, Any]) -> str:
    """Which column of a map is shown; maps without effect sizes have a mean only."""
    return settings.get("effect", "ratio") if "ratio" in table else "mean"


def attention_layer(settings: Mapping[str, Any], selectivity: pd.DataFrame) -> int:
    """The configured block, or that of the most selective head."""
    configured = settings.get("attention_layer", "auto")
    return most_selective_layer(selectivity) if configured == "auto" else int(configured)


def most_selective_layer(selectivity: pd.DataFrame) -> int:
    """Block of the head with the highest mean selectivity over all items."""
    overall = selectivity[(selectivity["negation"] == ALL) & (selectivity["segment"] == ALL)]
    highest: Any = overall["mean"].idxmax()
    return int(overall["layer"][highest])


def _deviation_bars(axis: Axes, grid: pd.DataFrame) -> None:
    """A group of bars per hidden state, a bar for each role that varies at all."""
    varying = grid[(grid > 0).any(axis=1)]
    width = 0.84 / max(1, len(varying))
    for place, (role, values) in enumerate(varying.iterrows()):
        left = np.arange(len(values)) + 0.08 + place * width
        colour = ROLE_COLOURS[str(role)]
        axis.bar(left, values.fillna(0), width, align="edge", label=role, color=colour)


def _bars_of_both(axes: np.ndarray) -> tuple[list[Any], list[str]]:
    """Legend entries of both panels, in sentence order."""
    entries: dict[str, Any] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    labels = [role for role in (*ROLES, ALL) if role in entries]
    return [entries[role] for role in labels], labels


def wanted_segment(settings: Mapping[str, Any], segment: str | None) -> str:
    return segment or settings.get("segment", "correct")


def _alpha(settings: Mapping[str, Any]) -> float:
    return float(settings.get("alpha", ALPHA))
