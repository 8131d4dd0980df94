"""What the ledger says: a verdict for every published figure, one for the whole, and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from negtrace.replication.ledger import (
    DEVIATES,
    DIFFERS,
    NOT_CHECKED,
    NOT_COMPARABLE,
    REPLICATES,
)

MOST_NAMED = 3  # figures in the overall verdict; every one has a sentence of its own


def summary(ledger: pd.DataFrame) -> pd.DataFrame:
    """How each published figure fares; structural cells are counted apart.

    Returns:
        one row per figure, in their order: figure, verdict (deviates if any compared value does,
        structural or not; not comparable if none is compared; else replicates), n, n_replicates,
        n_deviates, n_not_comparable (the three add up to n), n_near_zero (compared values that are
        published as within the tolerance of 0, so that a model without any effect replicates them
        too), tolerance, largest_deviation (absolute) and the cell that has it (null without values
        of ours), n_structural, n_structural_deviates, reasons (why numbers are not comparable; null
        if all are).
    """
    rows = []
    for figure, cells in ledger.groupby("figure", sort=False, observed=True):
        own, structural = cells[~cells["structural"]], cells[cells["structural"]]
        shown = own if len(own) else structural
        verdicts = own["verdict"].value_counts()
        n_structural_deviates = int((structural["verdict"] == DEVIATES).sum())
        compared = shown[shown["verdict"] != NOT_COMPARABLE]
        near_zero = compared["published"].abs() <= compared["tolerance"]
        furthest: Any = compared["deviation"].abs().idxmax() if len(compared) else None
        worst = None if furthest is None else shown.loc[furthest]
        lacking = cells.loc[cells["verdict"] == NOT_COMPARABLE, "reason"].drop_duplicates()
        rows.append(
            {
                "figure": figure,
                "verdict": _verdict(set(shown["verdict"]), n_structural_deviates),
                "n": len(own),
                "n_replicates": int(verdicts.get(REPLICATES, 0)),
                "n_deviates": int(verdicts.get(DEVIATES, 0)),
                "n_not_comparable": int(verdicts.get(NOT_COMPARABLE, 0)),
                "n_near_zero": int(near_zero.sum()),
                "tolerance": float(shown["tolerance"].iloc[0]),
                "largest_deviation": np.nan if worst is None else abs(worst["deviation"]),
                "cell": None if worst is None else worst["quantity"],
                "n_structural": len(structural),
                "n_structural_deviates": n_structural_deviates,
                "reasons": "; ".join(lacking) or None,
            }
        )
    return pd.DataFrame(rows)


def _verdict(verdicts: set[str], n_structural_deviates: int) -> str:
    """A figure's, of the verdicts of its values."""
    if DEVIATES in verdicts or n_structural_deviates:
        return DEVIATES
    return REPLICATES if REPLICATES in verdicts else NOT_COMPARABLE


def overall(summary: pd.DataFrame, identity: pd.DataFrame | None = None) -> str:
    """The verdict on the whole publication, by figures that have values of their own.

    A right replication has a deviating value in no more than 5% of cases (docs/tolerances.md), so
    that one figure that deviates is enough for "in part".

    Args:
        summary, identity: as in `sentences`.
    """
    own = summary[summary["n"] > 0]
    deviating = summary.loc[summary["verdict"] == DEVIATES, "figure"].tolist()
    counts = own["verdict"].value_counts()
    replicating, lacking = (int(counts.get(kind, 0)) for kind in (REPLICATES, NOT_COMPARABLE))
    some_values_lack = bool(own["n_not_comparable"].any())
    if not replicating and not deviating:
        return f"Overall: {NOT_COMPARABLE}."
    if identity is not None and (identity["verdict"] == DIFFERS).any():
        verdict = "no replication, because the weights are others"
    elif not deviating:
        verdict = "replicates as far as it is compared" if some_values_lack else "replicates"
    else:
        verdict = "replicates in part" if replicating else "does not replicate"
    counted = [f"{replicating} of {len(own)} figures replicate"]
    if deviating:
        counted.append(f"{len(deviating)} deviate ({_named(deviating)})")
    if lacking:
        counted.append(f"{lacking} are not comparable")
    return f"Overall: {verdict}: {'; '.join(counted)}."


def _named(figures: list[str]) -> str:
    more = f" and {len(figures) - MOST_NAMED} more" if len(figures) > MOST_NAMED else ""
    return "; ".join(figures[:MOST_NAMED]) + more


def sentences(summary: pd.DataFrame, identity: pd.DataFrame | None = None) -> list[str]:
    """The ledger in plain sentences: the weights, the verdict, its values, then each figure.

    Args:
        summary: see `summary`.
        identity: the rows of `identity.identity_check`; None if it was not made.
    """
    said = [_of_identity(identity), overall(summary, identity)]
    total = summary[["n", "n_replicates", "n_deviates", "n_not_comparable"]].sum()
    said.append(
        f"Of {total['n']} published values, {total['n_replicates']} replicate, "
        f"{total['n_deviates']} deviate and {total['n_not_comparable']} are not comparable; "
        f"{summary['n_structural'].sum()} more hold with any weights and are not counted."
    )
    reasons = set(summary["reasons"].dropna())
    if total["n"] == total["n_not_comparable"] and len(reasons) == 1:
        return [*said, f"Nothing is compared: {reasons.pop()}."]
    rows: list[Any] = summary.to_dict("records")
    return said + [_of_figure(row) for row in rows]


def _of_identity(identity: pd.DataFrame | None) -> str:
    checked = None if identity is None else identity[identity["verdict"] != NOT_CHECKED]
    if checked is None or checked.empty:
        return "Whether the weights are the published ones was not checked."
    differs = int((checked["verdict"] == DIFFERS).sum())
    if differs:
        return (
            f"The weights are not the published ones: {differs} of {len(checked)} outputs that "
            "others published of them differ. What follows is about other weights."
        )
    return f"The weights give all {len(checked)} outputs that others published of them."


def _of_figure(row: Mapping[str, Any]) -> str:
    parts = []
    compared = row["n"] - row["n_not_comparable"]
    if compared:
        parts.append(
            f"{row['n_replicates']} of {compared} values replicate within {row['tolerance']:g} "
            f"(largest deviation {row['largest_deviation']:.2g}: {row['cell']})"
        )
        if row["n_near_zero"]:
            parts.append(f"{row['n_near_zero']} would replicate with no effect at all")
    if row["n_not_comparable"]:
        parts.append(f"{row['n_not_comparable']} are not comparable: {row['reasons']}")
    if row["n_structural_deviates"]:
        parts.append(
            f"{row['n_structural_deviates']} of {row['n_structural']} values that hold with any "
            "weights deviate, which points to other items or an error"
        )
    elif not row["n"]:
        parts.append(
            f"not comparable: {row['reasons']}"
            if pd.notna(row["reasons"])
            else f"all {row['n_structural']} are as published"
        )
    return f"{row['figure'][0].upper()}{row['figure'][1:]}: {'; '.join(parts)}."
