"""Figures of donors: a placebo under a map, and transfer by cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from negtrace.figures.heat_maps import Panels, heat_maps, paired_grids
from negtrace.figures.shown import shown_site
from negtrace.figures.style import note, styled, titled
from negtrace.vocabulary import ALL, NEGATIONS


def placebo_panels(donors: pd.DataFrame, own: Panels, effect: str) -> Panels | None:
    """What the placebo does in the cells of a map by role; None if the table has none.

    Shares are ratios to the own d, whichever of them the map shows.

    Args:
        donors: ``donor_map`` of the items that the map shows.
        own: the map.
        effect: what it shows.
    """
    table = donors[(donors["donor"] == "placebo") & donors["negation"].isin(NEGATIONS)]
    if table.empty:
        return None
    column = "difference_donor" if effect == "difference" else "ratio_donor"
    shown = table.assign(mean=table[column], sd=0.0).drop(columns="p_fwer")
    if effect != "difference":  # of a denominator that may be 0: no number
        shown["mean"] = shown["mean"].where(shown["ratio_donor_ci_low"].notna())
    segment, negations = str(table["segment"].iloc[0]), list(own.means)
    found = paired_grids(shown, segment, "role", "layer", panels=negations)
    like = own.means[negations[0]]
    means, deviations, failing = (
        {n: grid.reindex(index=like.index, columns=like.columns) for n, grid in part.items()}
        for part in (found.means, found.deviations, found.failing)
    )
    return Panels(means, deviations, failing, found.counts, found.few, "placebo")


@styled
def transfer_map(table: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """By cell, the share of its effect that another pair's source has there, over all items.

    Args:
        table: ``donor_map`` of one site and direction.
        settings: the configuration's ``figures``.
    """
    rows = table[(table["donor"] == "transfer") & (table["segment"] == ALL)]
    if rows.empty:
        return note("no pair has a partner to be patched from")
    site = shown_site(rows, settings)
    by_head = rows["head"].notna().any()
    shown = rows.assign(mean=rows["share"], sd=0.0).drop(columns="p_fwer")
    panels = paired_grids(shown, ALL, "head" if by_head else "role", "layer")
    label = "share of the cell's effect"
    figure, axes = heat_maps(panels, settings, 1.0, label, below=False)
    titled(figure, f"Effect from another pair, by {site.label}", panels.label)
    axes[0, 0].set_ylabel("head" if by_head else "patched token")
    for axis in axes[0]:
        axis.set_xlabel(site.layers)
    return figure
