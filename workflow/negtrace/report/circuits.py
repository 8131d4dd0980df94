"""Circuits in words: the strong edges, and whether their heads carry the negation."""

from __future__ import annotations

from typing import Any

import pandas as pd

from negtrace.report.findings import plural
from negtrace.report.intervals import with_limits
from negtrace.statistics.kept_edges import kept_edges
from negtrace.vocabulary import ALL

MOST_NAMED = 5


def of_edges(edges: pd.DataFrame, alpha: float) -> list[str]:
    """Which edges matter, of how many.

    Args:
        edges: table ``edge_map``.
        alpha: level of the family-wise error.
    """
    said = []
    for direction, of_one in edges.groupby("direction", observed=True, sort=False):
        kept = kept_edges(of_one)
        tested = of_one[of_one["negation"] == ALL]
        receivers = tested["receiver"].nunique()
        said.append(
            f"Edges, direction {direction}: of {len(tested)} into {plural(receivers, 'receiver')},"
            f" {len(kept)} differ from 0 at a family-wise error of {alpha:.0%} over all of them,"
            f" exceed their placebo and are worth {tested['least'].iloc[0]:g} of d or more."
        )
        rows: Any = kept.head(MOST_NAMED).itertuples()
        strongest = [
            f"{row.sender} to {row.receiver} at {row.role} ({with_limits(row, 'ratio')})"
            for row in rows
        ]
        if strongest:
            said.append(f"The strongest edges, as shares of d: {'; '.join(strongest)}.")
    return said


def of_circuit(circuit: pd.DataFrame, minimality: pd.DataFrame, alpha: float) -> list[str]:
    """Whether the heads of the strong edges suffice, are all, and are each needed.

    Args:
        circuit, minimality: tables ``circuit`` and ``circuit_minimality``.
        alpha: level of the family-wise error over the heads.
    """
    rows = circuit.set_index("measure")
    if circuit.empty or rows["found"].isna().any():
        return ["No circuit of edges was found on one half of the pairs, so none was tested."]
    faithful, complete = rows.loc["faithfulness"], rows.loc["completeness"]
    adds = int(((minimality["p_fwer"] <= alpha) & (minimality["loss"] > 0)).sum())
    return [
        f"The circuit of the strong edges has {plural(int(rows['k'].to_numpy()[0]), 'head')}"
        f" ({faithful['heads']}). Left alone, on the other half of the pairs, it keeps"
        f" {with_limits(faithful, 'found')} of what all heads do (random heads"
        f" {faithful['drawn_mean']:.2f}, one-sided p {faithful['p']:.2g}); without it"
        f" {with_limits(complete, 'found')} is left (random heads"
        f" {complete['drawn_mean']:.2f}, p {complete['p']:.2g}); {adds} of its heads are needed"
        " (family-wise). Heads are counted, not edges."
    ]
