"""Evidence in words: what the tests, controls and confirmations say about a map."""

from __future__ import annotations

from typing import Any

import pandas as pd

from negtrace.figures.shown import available_segment, shown_rows
from negtrace.report.findings import TOP_HEADS, plural
from negtrace.vocabulary import ALL

TOP_CELLS = 5
MEASURES = ("accuracy", "mean_d")

# Restoration of a cell that brings everything back by definition, up to rounding.
KNOWN = 1 - 1e-6


def of_significance(table: pd.DataFrame, wanted: str, what: str, alpha: float) -> list[str]:
    """How many cells of a map differ from 0 after correction, and how many false ones to expect.

    Args:
        table: ``restoration_map`` of one site and direction.
        what: the site in words.
        alpha: level of the family-wise error.
    """
    shown = shown_rows(table, wanted)
    overall = shown[shown["negation"] == ALL]
    if overall.empty or "p_fwer" not in overall:
        return []
    cells = overall[overall["p"] < 1]
    family, discovery = ((cells[name] <= alpha).sum() for name in ("p_fwer", "q_fdr"))
    return [
        f"Of the {plural(len(cells), 'cell')} by {what} that can differ from 0"
        f" ({len(overall) - len(cells)} more change nothing), {family} do at a family-wise error of"
        f" {alpha:.0%} (max-T over sign flips of pairs), {discovery} at a false discovery rate of"
        f" {alpha:.0%}."
    ]


def top_cells(table: pd.DataFrame, wanted: str, count: int = TOP_CELLS) -> list[dict[str, Any]]:
    """Rows of the cells that restore most, over both negations, known ones left out.

    Args:
        table: ``restoration_map`` of one site and direction.
    """
    rows = table[table["segment"] == available_segment(table, wanted)]
    overall = rows[(rows["negation"] == ALL) & (rows["p"] < 1) & (rows["ratio"] < KNOWN)]
    best = overall.sort_values("ratio", ascending=False).head(count)
    cell = best["role"].astype(str)
    if best["head"].notna().any():
        cell = "head " + best["head"].astype(str)
    cells: list[Any] = best.assign(cell=cell).to_dict("records")
    return cells


def of_specificity(table: pd.DataFrame, wanted: str, what: str) -> list[str]:
    """The cells in which the negation does most beyond a neutral word swap.

    Args:
        table: ``specificity`` of one site and direction.
        what: the site in words.
    """
    inside = table[(table["segment"] == available_segment(table, wanted)) & (table["p"] < 1)]
    overall = inside[inside["negation"] == ALL].sort_values("specific", ascending=False)
    named = [
        f"{_cell(row)} ({row.specific:.2f} [{row.specific_ci_low:.2f}, {row.specific_ci_high:.2f}]"
        f" logits; negation {row.difference_negation:.2f}, neutral {row.difference_neutral:.2f})"
        for row in overall.head(TOP_HEADS).itertuples()
    ]
    if not named:
        return []
    return [f"Beyond a neutral word swap, the negation does most by {what} at {'; '.join(named)}."]


def _cell(row: Any) -> str:
    if pd.notna(row.head):
        return f"head {row.head:.0f} of block {row.layer}"
    return f"{row.role} in layer {row.layer}"


def of_stability(
    overlap: pd.DataFrame, halves: pd.DataFrame, wanted: str, alpha: float = 0.05
) -> list[str]:
    """Whether another sample of pairs would have shown the same heads.

    Args:
        overlap, halves: tables ``overlap`` and ``split_halves`` of a site of heads.
        alpha: level of the family-wise error.
    """
    sentences = []
    inside = overlap[(overlap["segment"] == wanted) & (overlap["negation"] == ALL)]
    for row in inside[inside["k"] == TOP_HEADS].itertuples():
        sentences.append(
            f"The {row.k} highest heads of two resamples of the pairs overlap by"
            f" {row.jaccard:.2f} on average (Jaccard; {row.jaccard_chance:.2f} by chance)."
        )
    tested = halves[(halves["segment"] == wanted) & (halves["negation"] == ALL)]
    if len(tested):
        holding = int(((tested["p_fwer"] <= alpha) & (tested["ratio"] > 0)).sum())
        sentences.append(
            f"Of the {len(tested)} highest heads on one half of the pairs, {holding} are above 0 on"
            f" the other half (family-wise p of {alpha:g})."
        )
    return sentences


def of_confirmation(confirmation: pd.DataFrame, ablations: pd.DataFrame) -> list[str]:
    """What ablating the found heads together does, beside random sets.

    Args:
        confirmation, ablations: tables of those names.
    """
    overall = confirmation[confirmation["negation"] == ALL].set_index(["null", "measure"])
    found = ablations[(ablations["negation"] == ALL) & (ablations["purpose"] == "found")].iloc[0]
    accuracy, mean_d = (overall.xs(name, level="measure").iloc[0] for name in MEASURES)
    said = [
        f"Ablated together (means in their place), the {plural(found['k'], 'head')} that restore"
        f" most on one half of the pairs (block.head: {found['heads']}) take the other half from"
        f" {accuracy['full']:.1%} right and mean d {mean_d['full']:.2f} to"
        f" {accuracy['found']:.1%} and {mean_d['found']:.2f}."
    ]
    for null in overall.index.unique("null"):
        row = overall.loc[(null, "mean_d")]
        if row["n_sets"]:
            said.append(
                f"{plural(row['n_sets'], 'set')} of as many {null.replace('_', '-')} heads leave"
                f" mean d at {row['drawn_mean']:.2f} on average; one-sided p {row['p']:.2g}."
            )
    return said


def of_planted(planted: pd.DataFrame) -> list[str]:
    """How much of a planted circuit is found, and what is found beside it.

    Args:
        planted: table of that name.
    """
    said = []
    for site, cells in planted.groupby("site", sort=False, observed=True):
        wanted, found = int(cells["planted"].sum()), int(cells["found"].sum())
        both = int((cells["planted"] & cells["found"]).sum())
        said.append(
            f"Positive control, site {site}: {wanted} of {len(cells)} cells are planted; {found}"
            f" are found (significant, interval above 0.1), {both} of them planted."
        )
    return said
