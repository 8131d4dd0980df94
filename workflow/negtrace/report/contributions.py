"""Direct contributions in words: what components write into the scores themselves."""

from __future__ import annotations

from typing import Any

import pandas as pd

from negtrace.report.findings import plural
from negtrace.report.intervals import with_limits
from negtrace.statistics.credible import NOTABLE, named
from negtrace.vocabulary import ALL


def of_contributions(table: pd.DataFrame, heads: pd.DataFrame | None, alpha: float) -> list[str]:
    """Which MLP and which head write most of d, and what the head that restores most writes.

    Args:
        table: table ``contribution_map``, heads not split by role.
        heads: table ``restoration_map`` of site head, if there is one.
        alpha: level of the family-wise error, at which a head is one that restores.
    """
    rows = table[(table["negation"] == ALL) & (table["segment"] == ALL)]
    mlps, own = (rows[rows["component"] == kind] for kind in ("mlp", "head"))
    mlp, head = (next(_largest_first(of).itertuples()) for of in (mlps, own))
    said = (
        f"Directly into the score, of {plural(len(mlps), 'MLP')} that of block {mlp.layer} writes"
        f" most of d, {with_limits(mlp, 'mean')} of {rows['mean'].sum():.2f} logits, and of"
        f" {plural(len(own), 'head')} head {head.head} of block {head.layer},"
        f" {with_limits(head, 'mean')} ({plural(head.n_items, 'item')})."
    )
    if heads is None:
        return [said]
    best = named(heads, alpha)
    best = best[best["mean"] >= NOTABLE]
    if best.empty:
        return [said]
    first: Any = next(best.itertuples())
    direct: Any = own[(own["layer"] == first.layer) & (own["head"] == first.head)]
    written = next(direct.itertuples())
    return [
        f"{said} Head {first.head} of block {first.layer}, which restores most"
        f" ({with_limits(first, 'mean')} of d), writes {with_limits(written, 'mean')} logits"
        f" directly, {written.share:.2f} of the mean d."
    ]


def _largest_first(rows: pd.DataFrame) -> Any:
    return rows.sort_values("mean", key=abs, ascending=False)
