"""Robustness in words: what items, other pairs and other choices make of a map's findings."""

from __future__ import annotations

from typing import Any

import pandas as pd

from negtrace.report.findings import cell_name, plural
from negtrace.statistics.credible import NOTABLE, TOP_HEADS, named
from negtrace.statistics.specification import among_highest
from negtrace.vocabulary import ALL


def of_spread(spread: pd.DataFrame, table: pd.DataFrame, alpha: float) -> list[str]:
    """How even the effect of the highest named cells is over pairs and items.

    Args:
        spread: table of that name of one site and direction.
        table: ``restoration_map`` of the same.
        alpha: level of the family-wise error.
    """
    best = named(table, alpha).head(TOP_HEADS)
    rows: Any = spread_of(best[best["mean"] >= NOTABLE], spread).itertuples()
    found = [
        f"{cell_name(row)}: {row.same_sign:.0%} ({row.difference:.2f}; {row.sd_items:.2f};"
        f" {row.sd_pairs:.2f})"
        for row in rows
        if pd.notna(row.same_sign)
    ]
    if not found:
        return []
    return [
        "Pairs whose change has the sign of the whole (in brackets, in logits: mean change; its"
        f" standard deviation over items; over pairs): {'; '.join(found)}."
    ]


def spread_of(rows: pd.DataFrame, spread: pd.DataFrame) -> pd.DataFrame:
    """The rows of the table ``spread`` for cells of a map, in their order."""
    key = ["negation", "layer", "head", "role"]
    plain: dict[str, Any] = {"negation": object, "layer": int, "head": "Int16", "role": object}
    return rows[key].astype(plain).merge(spread.astype(plain), on=key, how="left")


def of_stability(overlap: pd.DataFrame, halves: pd.DataFrame, alpha: float = 0.05) -> list[str]:
    """Whether another sample of pairs would have shown the same heads.

    Args:
        overlap, halves: tables ``overlap`` and ``split_halves`` of a site of heads.
        alpha: level of the family-wise error.
    """
    sentences = []
    inside = overlap[(overlap["segment"] == ALL) & (overlap["negation"] == ALL)]
    for row in inside[inside["k"] == TOP_HEADS].itertuples():
        sentences.append(
            f"The {row.k} highest heads of two resamples of the clusters overlap by"
            f" {row.jaccard:.2f} on average (Jaccard; {row.jaccard_chance:.2f} by chance)."
        )
    tested = halves[(halves["segment"] == ALL) & (halves["negation"] == ALL)]
    if len(tested):
        holding = int(((tested["p_fwer"] <= alpha) & (tested["ratio"] > 0)).sum())
        sentences.append(
            f"Of the {len(tested)} highest heads on one half of the pairs, {holding} are above 0 on"
            f" the other half (family-wise p of {alpha:g})."
        )
    return sentences


def of_specification(curve: pd.DataFrame) -> list[str]:
    """In how many other ways of analysing the study the named heads stay among the highest.

    Args:
        curve: table ``specification``.
    """
    if curve.empty:
        return ["No head is named, so that there is none to follow through other choices."]
    heads = [
        f"head {row.head} of block {row.layer} in {row.share:.0%} (worst rank {row.worst_rank})"
        for row in among_highest(curve, TOP_HEADS).itertuples()
    ]
    return [
        f"Among the {TOP_HEADS} highest of {plural(curve['n_heads'].max(), 'head')}, over"
        f" {plural(curve['specification'].nunique(), 'specification')}: {'; '.join(heads)}."
    ]
