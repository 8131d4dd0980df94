"""Cautions in words: what makes a map less reliable than it looks."""

from __future__ import annotations

import pandas as pd

from negtrace.figures.shown import available_segment, listed, segment_label, shown_rows
from negtrace.report.findings import plural
from negtrace.statistics.credible import over_all_items
from negtrace.vocabulary import ALL, NEGATIONS

FEW_ITEMS = 20
SMALL_D = 0.1

# Shares of caption items beyond which a preference for one sentence does not cancel over both.
BALANCED = 0.4, 0.6


def of_cautions(table: pd.DataFrame, wanted: str, items: pd.DataFrame | None = None) -> list[str]:
    """What makes the means of a map unreliable: another segment, few items, small denominators.

    Args:
        table: ``restoration_map`` of any site.
        wanted: the segment that maps show.
        items: table ``segments``, to find items whose d, the denominator, is near 0.
    """
    segment = available_segment(table, wanted)
    sentences = []
    if segment != wanted:
        sentences.append(f"The maps show {segment_label(table, wanted)}.")
    sentences += _of_balance(table) + _of_few_clusters(table)
    shown = shown_rows(table, wanted)
    for negation in NEGATIONS:
        counts = shown.loc[shown["negation"] == negation, "n_items"]
        count = int(counts.max()) if len(counts) else 0
        if count < FEW_ITEMS and (count or negation in set(table["negation"])):
            which = "" if segment == ALL else f" {segment}"
            sentences.append(
                f"Caution: the maps average only {count}{which} {'item' if count == 1 else 'items'}"
                f" with the negation in the {negation}."
            )
    if items is not None:
        inside = items if segment == ALL else items[items["segment"] == segment]
        small = int((inside["d"].abs() < SMALL_D).sum())
        if small:
            sentences.append(
                f"Caution: |d| is below {SMALL_D:g} in {small} of {plural(len(inside), 'item')};"
                " such items can dominate the mean of ratios, not the ratio of means."
            )
    return sentences


def _of_balance(table: pd.DataFrame) -> list[str]:
    counts = over_all_items(table).groupby("negation", observed=True)["n_items"].max()
    caption, foil = (int(counts.get(side, 0)) for side in ("caption", "foil"))
    share = caption / ((caption + foil) or 1)
    if not caption + foil or BALANCED[0] <= share <= BALANCED[1]:
        return []
    return [
        f"Caution: the negation is in the caption in {share:.0%} of {caption + foil} items; what a"
        " model prefers whatever the picture does not cancel over both, and passes for an effect."
    ]


def _of_few_clusters(table: pd.DataFrame) -> list[str]:
    rows = over_all_items(table)
    if "few_clusters" not in rows or not rows["few_clusters"].any():
        return []
    fewest = rows[rows["few_clusters"]].groupby("negation", observed=True)["n_effective"].min()
    counts = [
        f"{fewest[negation]:.0f} clusters ({_side(negation)})"
        for negation in (ALL, *NEGATIONS)
        if negation in fewest
    ]
    return [
        f"Caution: the items are worth as few as {listed(counts)} of equal size; with so"
        " few, tests of skewed changes err more often than they say (9% for 5% in simulations), and"
        " intervals by percentile or bca are too narrow."
    ]


def _side(negation: str) -> str:
    return "all items" if negation == ALL else f"negation in the {negation}"
