"""Evidence in words: what the tests, controls and confirmations say about a map."""

from __future__ import annotations

from typing import Any

import pandas as pd

from negtrace.report.findings import cell_name, plural
from negtrace.report.intervals import with_limits
from negtrace.statistics.credible import TOP_HEADS, named, pooled
from negtrace.vocabulary import ALL

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


def of_family(tests: pd.DataFrame, alpha: float) -> str:
    """What the p-values that sentences go by are corrected for.

    Args:
        tests: table ``study_tests`` of the model.
        alpha: level of the family-wise error.
    """
    maps = tests.groupby(["dataset", "wording", "negation", "site", "direction"], observed=True)
    return (
        f"Cells are named where they differ from 0 at a family-wise error of {alpha:.0%} over all"
        f" {plural(maps.ngroups, 'map')} of this model in the study"
        f" ({plural(tests['p_study'].notna().sum(), 'cell')}; both sides of the negation apart and"
        " together). Hatching in figures corrects within one map."
    )


def of_placebo(table: pd.DataFrame, what: str, alpha: float) -> list[str]:
    """The cells in which the negation does most beyond its placebo.

    Args:
        table: ``donor_map`` of one site and direction.
        what: the site in words.
        alpha: level of the family-wise error.
    """
    overall = of_donor(table, "placebo")
    if overall.empty:
        return []
    beyond = overall[(overall["p_fwer"] <= alpha) & (overall["beyond"] > 0)]
    most = [
        f"{cell_name(row)} ({with_limits(row, 'beyond')} logits; negation {row.difference:.2f},"
        f" placebo {row.difference_donor:.2f})"
        for row in beyond.sort_values("beyond", ascending=False).head(TOP_HEADS).itertuples()
    ]
    if not most:
        return [f"By {what}, the negation does nothing significant beyond its placebo."]
    return [f"Beyond its placebo, the negation does most by {what} at {'; '.join(most)}."]


def of_transfer(table: pd.DataFrame, restoration: pd.DataFrame, alpha: float) -> list[str]:
    """How generic what the credible cells carry is.

    Args:
        table: ``donor_map`` of one site and direction.
        restoration: ``restoration_map`` of the same.
        alpha: level of the family-wise error.
    """
    best = named(restoration, alpha).head(TOP_HEADS)
    key = ["layer", "head", "role"]
    generic = of_donor(table, "transfer").astype(dict.fromkeys(key, object))
    both = best[key].astype(object).merge(generic, on=key)
    given = [
        f"{cell_name(row)} {with_limits(row, 'share')}"
        for row in both.dropna(subset=["share", "share_ci_low"]).itertuples()
    ]
    if not given:
        return []
    return [
        "Share of its effect that comes as well from another sentence's negation (1: generic, 0:"
        f" bound to its noun): {'; '.join(given)}."
    ]


def of_donor(table: pd.DataFrame, donor: str) -> pd.DataFrame:
    """Rows of one donor over all items and both negations."""
    return table[(table["donor"] == donor) & (table["segment"] == ALL) & (table["negation"] == ALL)]


def of_confirmation(confirmation: pd.DataFrame, ablations: pd.DataFrame) -> list[str]:
    """What ablating the found heads together does, beside random sets.

    Args:
        confirmation, ablations: tables of those names.
    """
    overall = confirmation[confirmation["negation"] == ALL].set_index(["null", "measure"])
    found = ablations[(ablations["negation"] == ALL) & (ablations["purpose"] == "found")].iloc[0]
    accuracy, mean_d = (overall.xs(name, level="measure").iloc[0] for name in MEASURES)
    points, logits = (
        with_limits(row, "difference", form) for row, form in ((accuracy, "+.1%"), (mean_d, "+.2f"))
    )
    said = [
        f"Ablated together (means in their place), the {plural(found['k'], 'head')} that restore"
        f" most on one half of the pairs (block.head: {found['heads']}) take the other half"
        f" ({plural(accuracy['n_items'], 'item')}, {plural(accuracy['n_pairs'], 'pair')}) from"
        f" {accuracy['full']:.1%} right to {accuracy['found']:.1%} ({points} of them) and from"
        f" mean d {mean_d['full']:.2f} to {mean_d['found']:.2f} ({logits})."
    ]
    for null in overall.index.unique("null"):
        row = overall.loc[(null, "mean_d")]
        if row["n_sets"]:
            said.append(
                f"{plural(row['n_sets'], 'set')} of as many {null.replace('_', '-')} heads leave"
                f" mean d at {row['drawn_mean']:.2f} on average; one-sided p {row['p']:.2g}."
            )
    return said


def of_minimality(minimality: pd.DataFrame, alpha: float) -> str:
    """Which of the heads that were ablated together matter to what that does.

    Args:
        minimality: table of that name.
        alpha: level of the family-wise error over the heads.
    """
    adds = (minimality["p_fwer"] <= alpha) & (minimality["loss"] > 0)
    rows: Any = minimality.itertuples()
    heads = [
        f"{row.layer}.{row.head} adds {with_limits(row, 'loss')} logits (p {row.p_fwer:.2g})"
        for row in rows
    ]
    return (
        f"Heads of this set that are needed: {adds.sum()} of {len(minimality)} (left intact while"
        " the others are ablated, such a head keeps up the mean d; p family-wise over the set, on"
        f" the {plural(minimality['n_pairs'].iloc[0], 'pair')} that did not choose it):"
        f" {'; '.join(heads)}."
    )


def of_certificate(certificate: pd.DataFrame) -> str:
    """What patches did whose result is known beforehand.

    Args:
        certificate: table of that name.
    """
    rows: Any = certificate.itertuples()
    checks = [
        f"{row.check} ({plural(row.cells, 'value')}, {row.computed} computed; {_away(row)})"
        if pd.notna(row.passed)
        else f"{row.check}: no pair of the sample can show it"
        for row in rows
    ]
    return (
        f"Certificate of the engine, on {plural(certificate['n_pairs'].iloc[0], 'pair')}, passed:"
        f" {'; '.join(checks)}."
    )


def _away(row: Any) -> str:
    if row.smallest > row.tolerance:
        return f"at least {row.smallest:.1g} logits away"
    return f"at most {row.largest:.1g} logits away" if row.largest else "exactly"


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
