"""Attribution in words: when gradients may be trusted in the place of patching."""

from __future__ import annotations

from typing import Any

import pandas as pd

from negtrace.report.intervals import with_limits
from negtrace.vocabulary import ATTRIBUTIONS, SITES

# What a lower limit has to reach for a map by gradients to be called as good for finding cells.
TRUSTED = {"rank_correlation": 0.9, "recall": 0.8}


def of_attribution(trust: pd.DataFrame, cells: pd.DataFrame) -> list[str]:
    """How far each method goes with patching, by site, and which may be trusted.

    Args:
        trust, cells: tables ``attribution_trust`` and ``attribution_map``.
    """
    said, trusted = [], []
    keys = ["direction", "site", "method"]
    for (direction, site, method), part in trust.groupby(keys, observed=True, sort=False):
        rows = part.set_index("measure")
        if rows["value"].isna().any():
            continue
        what = f"{label(str(site))} by {ATTRIBUTIONS[str(method)].label}"
        same = (
            cells[["direction", "site", "method"]].astype(str) == [direction, site, method]
        ).all(axis=1)
        miss: Any = next(cells[same].sort_values("miss", ascending=False).itertuples())
        said.append(
            f"{what[0].upper()}{what[1:]}: rank correlation with patching over"
            f" {rows['n_cells'].iloc[0]} cells {interval(rows.loc['rank_correlation'])}, sign right"
            f" in {interval(rows.loc['sign_agreement'])}, of the top {rows['top'].iloc[0]}"
            f" {interval(rows.loc['recall'])} found; worst miss {cell(miss)},"
            f" {miss.exact:.2f} logits by patching and {miss.estimate:.2f} by gradients."
        )
        lowest = rows["value_ci_low"].astype(float)
        if all(lowest[name] >= least for name, least in TRUSTED.items()):
            trusted.append(what)
    if not said:
        return []
    limits = ", ".join(f"{name.replace('_', ' ')} {least:g}" for name, least in TRUSTED.items())
    verdict = (
        f"Attribution may stand in for patching here, to find cells, for: {'; '.join(trusted)}"
        if trusted
        else "Attribution may stand in for patching here for no site and method"
    )
    return [f"{verdict} (lower limits of at least {limits}).", *said]


def label(site: str) -> str:
    return SITES[site].label if site in SITES else "edges"


def interval(row: Any) -> str:
    return with_limits(row, "value")


def cell(row: Any) -> str:
    """A cell or an edge in words."""
    if pd.notna(row.sender):
        return f"{row.sender} to {row.receiver} at {row.role}"
    if pd.notna(row.head):
        return f"head {row.layer:.0f}.{row.head:.0f}"
    return f"{row.role} in layer {row.layer:.0f}"
