"""Figures of maps: tables in, matplotlib figures out.

Each map shows items with the negation in the foil (left) and in the caption (right), as Quantmeyer
et al. (2024) do, on one colour scale; a place that it is in for no item has no panel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from negtrace.figures.donors import placebo_panels
from negtrace.figures.heat_maps import ALPHA, heat_maps, highest_cells, paired_grids
from negtrace.figures.shown import shown_site, sides
from negtrace.figures.style import (
    BAR_COLOUR,
    ROLE_COLOURS,
    note,
    styled,
    titled,
)
from negtrace.vocabulary import EFFECTS, Negation, in_sentence_order

FRAMED_CELLS = 3


@styled
def cte_map(
    table: pd.DataFrame,
    settings: Mapping[str, Any],
    segment: str | None = None,
    donors: pd.DataFrame | None = None,
    panels_of: Sequence[Negation] | None = None,
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
        panels_of: which negations have a panel (default: those that have items).
    """
    effect = shown_effect(table, settings)
    _, label, is_share = EFFECTS[effect]
    wanted = wanted_segment(settings, segment)
    panels = paired_grids(table, wanted, "role", "layer", effect, _alpha(settings), panels_of)
    kind = shown_site(table, settings)
    limit = 1.0 if is_share else panels.largest
    placebo = None if donors is None else placebo_panels(donors, panels, effect)
    figure, axes = heat_maps(panels, settings, limit, label, below=True, second=placebo)
    titled(figure, f"Restoration by patched token and {kind.label}", panels.label)
    axes[0, 0].set_ylabel("patched token")
    for axis, negation in zip(axes[-1], panels.means, strict=True):
        _deviation_bars(axis, panels.deviations[negation])
        axis.set_xlabel(kind.layers)
    axes[-1, 0].set_ylabel("standard deviation" if effect == "mean" else "± of interval")
    handles, labels = _bars_of_all(axes[-1])
    if handles:
        figure.legend(
            handles, labels, loc="outside lower center", ncols=min(len(labels), 6), frameon=False
        )
    return figure


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
    return cte_map(inside, settings, segment, donors, sides(table))


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
    what = shown_site(table, settings).label if "site" in table else "head"
    titled(figure, f"{quantity.capitalize()} by {what}", panels.label)
    axes[0, 0].set_ylabel("head")
    for column, negation in enumerate(panels.means):
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


def shown_effect(table: pd.DataFrame, settings: Mapping[str, Any]) -> str:
    """Which column of a map is shown; maps without effect sizes have a mean only."""
    return settings.get("effect", "ratio") if "ratio" in table else "mean"


def _deviation_bars(axis: Axes, grid: pd.DataFrame) -> None:
    """A group of bars per hidden state, a bar for each role that varies at all."""
    varying = grid[(grid > 0).any(axis=1)]
    width = 0.84 / max(1, len(varying))
    for place, (role, values) in enumerate(varying.iterrows()):
        left = np.arange(len(values)) + 0.08 + place * width
        colour = ROLE_COLOURS.get(str(role), BAR_COLOUR)
        axis.bar(left, values.fillna(0), width, align="edge", label=role, color=colour)


def _bars_of_all(axes: np.ndarray) -> tuple[list[Any], list[str]]:
    """Legend entries of all panels, in sentence order."""
    entries: dict[str, Any] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    labels = in_sentence_order(entries)
    return [entries[role] for role in labels], labels


def wanted_segment(settings: Mapping[str, Any], segment: str | None) -> str:
    return segment or settings.get("segment", "correct")


def _alpha(settings: Mapping[str, Any]) -> float:
    return float(settings.get("alpha", ALPHA))
