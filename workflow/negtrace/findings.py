"""Findings: plain sentences about the maps, computed from the tables.

Descriptive only: nothing here is a significance test.
"""

from __future__ import annotations

import pandas as pd

from negtrace.effects import ALL

FEW_ITEMS = 20
NOTABLE = 0.1


def of_accuracy(accuracy: pd.DataFrame) -> list[str]:
    """How often the caption scores higher than the foil, by negation."""
    rows = accuracy.set_index("negation")
    sentences = []
    for negation in ("caption", "foil"):
        if negation in rows.index:
            row = rows.loc[negation]
            sentences.append(
                f"With the negation in the {negation}, the caption scores higher than the foil "
                f"in {row['accuracy']:.1%} of {row['n_items']} items ({row['n_pairs']} distinct "
                f"pairs); mean d is {row['mean_d']:.2f}."
            )
    return sentences


def of_resid(table: pd.DataFrame, wanted: str) -> list[str]:
    """Where along the hidden states the effect of the negator sits.

    Args:
        table: ``restoration_map`` of site resid in one direction.
        wanted: the segment to look at; all items where it is empty.
    """
    shown, described = _both_negations(table, wanted)
    if shown.empty:
        return []
    grid = shown.pivot(index="role", columns="layer", values="mean")
    sentences = [_few(shown)] if shown["n_items"].max() < FEW_ITEMS else []
    source = "determiner" if "determiner" in grid.index else "edit"
    if source in grid.index:
        falls = grid.columns[grid.loc[source] < 0.5]
        where = f"from hidden state {falls[0]} on" if len(falls) else "at no hidden state"
        sentences.append(
            f"Patched at the {source}, restoration ({described}) falls below one half {where}."
        )
    between = grid.drop(index=[r for r in (source, "EOT") if r in grid.index]).iloc[:, 1:-1]
    if between.size:
        role, layer = between.stack().idxmax()
        peak = between.loc[role, layer]
        sentences.append(
            f"Between the {source} and EOT the strongest carrier is {role} at hidden state "
            f"{layer}, with a restoration of {peak:.2f}."
            if peak >= NOTABLE
            else f"No token between the {source} and EOT carries a restoration of {NOTABLE}."
        )
    if "EOT" in grid.index:
        reached = grid.columns[grid.loc["EOT"] >= 0.5]
        if len(reached):
            sentences.append(
                f"From hidden state {reached[0]} on, EOT holds at least half of the effect."
            )
    return sentences


def of_heads(table: pd.DataFrame, wanted: str, quantity: str, count: int = 3) -> list[str]:
    """The heads with the largest mean of a quantity, with numbers."""
    shown, described = _both_negations(table, wanted)
    if shown.empty:
        return []
    top = shown.nlargest(count, "mean")
    if top["mean"].iloc[0] < NOTABLE:
        return [f"No single head reaches a {quantity} of {NOTABLE} ({described})."]
    named = ", ".join(
        f"head {head} of block {layer} ({mean:.2f})"
        for head, layer, mean in top[["head", "layer", "mean"]].itertuples(index=False)
    )
    return [f"Heads with the highest {quantity} ({described}): {named}."]


def of_overlap(restoration: pd.DataFrame, selectivity: pd.DataFrame, wanted: str) -> list[str]:
    """Whether the head that restores most is also the most selective."""
    best = [_both_negations(table, wanted)[0] for table in (restoration, selectivity)]
    if any(table.empty for table in best):
        return []
    heads = [tuple(table.loc[table["mean"].idxmax(), ["layer", "head"]]) for table in best]
    (layer, head), other = heads
    if heads[0] == other:
        return [f"Head {head} of block {layer} is both the most selective and restores most."]
    return [
        f"The head that restores most (head {head} of block {layer}) is not the most selective "
        f"one (head {other[1]} of block {other[0]})."
    ]


def _both_negations(table: pd.DataFrame, wanted: str) -> tuple[pd.DataFrame, str]:
    """Rows over both negations in the wanted segment, or in all items if it is empty."""
    overall = table[table["negation"] == ALL]
    shown = overall[overall["segment"] == wanted]
    if len(shown) and wanted != ALL:
        return shown, f"{wanted} items"
    return overall[overall["segment"] == ALL], "all items"


def _few(shown: pd.DataFrame) -> str:
    return f"Only {shown['n_items'].max()} items: read the following with caution."
