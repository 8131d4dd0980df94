"""Evidence in words: what the tests, controls and confirmations say about a map."""

from __future__ import annotations

from typing import Any

import pandas as pd

from negtrace.report.findings import TOP_HEADS, plural
from negtrace.statistics.credible import credible, pooled
from negtrace.vocabulary import ALL

TOP_CELLS = 5
MEASURES = ("accuracy", "mean_d")


def of_significance(table: pd.DataFrame, what: str, alpha: float) -> list[str]:
    """How many cells of a map differ from 0 after correction, and what the correction is for.

    Args:
        table: ``restoration_map`` of one site and direction.
        what: the site in words.
        alpha: level of the family-wise error.
    """
    overall = pooled(table)
    if overall.empty or "p_fwer" not in overall:
        return []
    computed = overall[~overall["known"]]
    cells = computed[computed["p"] < 1]
    map_wise, discovery = ((cells[name] <= alpha).sum() for name in ("p_fwer", "q_fdr"))
    said = (
        f"Of the {plural(len(cells), 'cell')} by {what} that can differ from 0 over all items"
        f" ({len(overall) - len(cells)} more are known by definition or change nothing),"
        f" {map_wise} do at a family-wise error of {alpha:.0%} over the map (max-T over sign flips"
        f" of pairs), {discovery} at a false discovery rate of {alpha:.0%}"
    )
    if "p_study" in cells:
        said += f", {(cells['p_study'] <= alpha).sum()} family-wise over all maps of the model"
    return [f"{said}."]


def top_cells(table: pd.DataFrame, count: int = TOP_CELLS) -> list[dict[str, Any]]:
    """Rows of the computed cells that restore most over all items, where a share can be given.

    Args:
        table: ``restoration_map`` of one site and direction.
    """
    overall = pooled(table)
    able = overall[~overall["known"] & (overall["p"] < 1)].dropna(subset=["mean"])
    # `over_all_items` calls the shown ratio mean; the row's own mean of ratios is shown beside it.
    best = table.loc[able.index].sort_values("ratio", ascending=False).head(count)
    cell = best["role"].astype(str)
    if best["head"].notna().any():
        cell = "head " + best["head"].astype(str)
    cells: list[Any] = best.assign(cell=cell).to_dict("records")
    return cells


def of_placebo(table: pd.DataFrame, what: str, alpha: float) -> list[str]:
    """The cells in which the negation does most beyond its placebo.

    Args:
        table: `placebo.placebo_map` of one site and direction.
        what: the site in words.
        alpha: level of the family-wise error.
    """
    overall = table[(table["segment"] == ALL) & (table["negation"] == ALL)]
    if overall.empty:
        return []
    beyond = overall[(overall["p_fwer"] <= alpha) & (overall["specific"] > 0)]
    named = [
        f"{_cell(row)} ({row.specific:.2f} [{row.specific_ci_low:.2f}, {row.specific_ci_high:.2f}]"
        f" logits; negation {row.difference:.2f}, placebo {row.difference_placebo:.2f})"
        for row in beyond.sort_values("specific", ascending=False).head(TOP_HEADS).itertuples()
    ]
    if not named:
        return [f"By {what}, the negation does nothing significant beyond its placebo."]
    return [f"Beyond its placebo, the negation does most by {what} at {'; '.join(named)}."]


def of_transfer(table: pd.DataFrame, restoration: pd.DataFrame, alpha: float) -> list[str]:
    """How generic what the credible cells carry is.

    Args:
        table: `transfer.transfer_map` of one site and direction.
        restoration: ``restoration_map`` of the same.
        alpha: level of the family-wise error.
    """
    overall = pooled(restoration)
    named = overall[credible(overall, alpha)].nlargest(TOP_HEADS, "mean")
    key = ["layer", "head", "role"]
    generic = table[table["negation"] == ALL].astype(dict.fromkeys(key, object))
    both = named[key].astype(object).merge(generic, on=key)
    given = [
        f"{_cell(row)} {row.transfer:.2f} [{row.transfer_ci_low:.2f}, {row.transfer_ci_high:.2f}]"
        for row in both.dropna(subset=["transfer", "transfer_ci_low"]).itertuples()
    ]
    if not given:
        return []
    return [
        "Share of its effect that comes as well from another sentence's negation (1: generic, 0:"
        f" bound to its noun): {'; '.join(given)}."
    ]


def _cell(row: Any) -> str:
    if pd.notna(row.head):
        return f"head {row.head:.0f} of block {row.layer}"
    return f"{row.role} in layer {row.layer}"


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
            f"The {row.k} highest heads of two resamples of the pairs overlap by"
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
            f" are found (interval above 0.1), {both} of them planted."
        )
    return said
