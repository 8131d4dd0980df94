"""Negation directions in words: how much lies along one, and whether it serves all templates."""

from __future__ import annotations

from typing import Any

import pandas as pd

from negtrace.report.intervals import with_limits
from negtrace.statistics.directions import ANOTHER, SAME
from negtrace.vocabulary import ALL

MOST_NAMED = 3
LABELS = {"difference": "the difference of means", "probe": "the probe"}


def of_directions(table: pd.DataFrame, transfer: pd.DataFrame, alpha: float) -> list[str]:
    """Where one direction carries the negation, and where it only tells it.

    Args:
        table, transfer: tables ``direction_map`` and ``direction_transfer``.
        alpha: level of the family-wise error.
    """
    rows = table[table["negation"] == ALL].astype({"role": str, "method": str})
    said = []
    for method, of_method in rows.groupby("method", sort=False):
        kept = of_method[of_method["kept"]].sort_values("ratio", ascending=False)
        said.append(
            f"Along {LABELS[str(method)]}, fitted on one half of the pairs and patched into the"
            f" other: of {len(of_method)} roles and hidden states, {len(kept)} differ from 0 at a"
            f" family-wise error of {alpha:.0%}, exceed random directions and are worth"
            f" {of_method['least'].iloc[0]:g} of d or more"
            f" ({of_method['n_items'].max()} items){_strongest(kept)}."
        )
    said += _told(rows)
    if transfer.empty:
        return [
            *said,
            "Whether one direction serves several templates or negators was not asked:"
            " the pairs are one group.",
        ]
    return said + _of_transfer(transfer)


def _strongest(kept: pd.DataFrame) -> str:
    found: Any = kept.head(MOST_NAMED).itertuples()
    named = [
        f"hidden state {row.layer} at {row.role} {with_limits(row, 'ratio')} of d, of"
        f" {row.whole:.2f} by the whole state (random: {abs(row.random_highest):.2f} at most)"
        for row in found
    ]
    return f": {'; '.join(named)}" if named else ""


def _told(rows: pd.DataFrame) -> list[str]:
    """The last hidden state that a probe reads well, beside what is along it."""
    last = rows[(rows["method"] == "probe") & rows["random"].notna()].sort_values("layer").tail(1)
    found: Any = last.itertuples()
    return [
        f"A probe tells {with_limits(row, 'accuracy')} of unseen states at {row.role} apart in"
        f" hidden state {row.layer}, and along it lie {with_limits(row, 'ratio')} of d."
        for row in found
    ]


def _of_transfer(transfer: pd.DataFrame) -> list[str]:
    plain = transfer.astype({"factor": str, "fitted_on": str, "tested_on": str, "role": str})
    sums = plain[plain["tested_on"] == ALL]
    said = []
    for factor, rows in sums.groupby("factor", sort=False):
        by = {name: rows[rows["fitted_on"] == name].set_index("layer") for name in (SAME, ANOTHER)}
        best: Any = by[SAME]["ratio"].idxmax()
        same: Any = by[SAME].loc[best]
        another: Any = by[ANOTHER].loc[best]
        count = plain.loc[plain["factor"] == factor, "tested_on"].nunique() - 1
        said.append(
            f"One direction for {count} {factor}s? In hidden state {best} at {same['role']}, where"
            f" each {factor}'s own carries most, {with_limits(same, 'ratio')} of d lie along it,"
            f" and {with_limits(another, 'ratio')} along that of another {factor}; the directions'"
            f" cosines are"
            f" {with_limits(another, 'cosine')} on average, and {with_limits(same, 'cosine')}"
            f" between two halves of one {factor} ({same['n_items']:.0f} items)."
        )
    return said
