"""What the report says of a templates dataset: one circuit for all sentences, or one for each?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from negtrace.messages import listed
from negtrace.statistics.agreement import MEAN

MOST = 3  # heads, or cells, that are named


def of_templates(tables: Mapping[str, pd.DataFrame], level: float) -> list[str]:
    """Sentences about the tables of one sweep of site head.

    Args:
        tables: by name, as in `layout.TEMPLATE_TABLES`.
        level: of the intervals.
    """
    said = []
    for factor, where in (("template", "templates"), ("negator", "negators")):
        found = tables["template_consensus"]
        said.append(_consensus(found[found["factor"] == factor], where, 1 - level))
        agreed = tables["template_agreement"]
        said += _agreement(agreed[agreed["factor"] == factor], where)
    return said + _variance(tables) + _slopes(tables["template_slopes"], level)


def _consensus(found: pd.DataFrame, where: str, alpha: float) -> str:
    heads, union = found[found["consensus"]], found[found["union"]]
    n, k = int(found["n_levels"].max()), int(found["k"].max())
    by = f"family-wise at {alpha:.2g}"
    if union.empty:
        return f"Consensus over {where}: no head holds in any of {n} {where} ({by})."
    anywhere = f"{len(union)} {'holds' if len(union) == 1 else 'hold'} in at least one."
    if heads.empty:
        return (
            f"Consensus over {where}: no head holds in {k} or more of {n} {where} ({by}), though "
            f"{anywhere}"
        )
    order = heads.sort_values(["n_holding", "ratio_lowest"], ascending=False)
    named = [
        f"head {row.head} of block {row.layer} ({row.n_holding} of {row.n_levels} {where}, "
        f"restoration {row.ratio_lowest:.2f} to {row.ratio_highest:.2f})"
        for row in order.head(MOST).itertuples()
    ]
    more = f" and {len(order) - MOST} more" if len(order) > MOST else ""
    return (
        f"Consensus over {where}: {len(heads)} of {len(found)} heads hold in {k} or more of {n} "
        f"{where} ({by}): {listed(named)}{more}. {anywhere}"
    )


def _agreement(table: pd.DataFrame, where: str) -> list[str]:
    means = table[table["first"] == MEAN].set_index("second")
    if "others" not in means.index:
        return []
    within, between = means.loc[MEAN], means.loc["others"]
    return [
        f"Maps of two {where} rank heads with a correlation of {between.spearman:.2f} "
        f"({between.spearman_low:.2f} to {between.spearman_high:.2f} over random halves of the "
        f"subjects); maps of one and the same on two halves with {within.spearman:.2f} "
        f"({within.spearman_low:.2f} to {within.spearman_high:.2f})."
    ]


def _variance(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Of the consensus heads, or else of those that vary most between templates."""
    found = tables["template_consensus"]
    heads = found[(found["factor"] == "template") & found["consensus"]]
    keys = ["layer", "head"]
    table = tables["template_variance"].dropna(subset=["share", "share_ci_low"])
    shown = table.merge(heads[keys], on=keys) if len(heads) else table
    rows: list[Any] = shown.nlargest(MOST, "first").to_dict("records")
    return [
        f"Head {row['head']} of block {row['layer']} varies between templates as "
        f"{row['share']:.0%} ({row['share_ci_low']:.0%} to {row['share_ci_high']:.0%}) of its "
        "variance between templates and between subjects together (standard deviations "
        f"{max(row['first'], 0) ** 0.5:.2f} and {max(row['second'], 0) ** 0.5:.2f} of the whole "
        f"effect; {row['n_templates']} templates, {row['n_subjects']} subjects)."
        for row in rows
    ]


def _slopes(slopes: pd.DataFrame, level: float) -> list[str]:
    clear = slopes[(slopes["slope_ci_low"] > 0) | (slopes["slope_ci_high"] < 0)]
    if clear.empty:
        return [f"No head's restoration goes with a confound ({level:.0%} intervals hold 0)."]
    counts = clear["confound"].astype(str).value_counts()
    heads = len(slopes[["layer", "head"]].drop_duplicates())
    named = [f"{name} ({count} of {heads} heads)" for name, count in counts.items()]
    return [
        f"Restoration goes with {listed(named)}: the {level:.0%} interval of the slope excludes 0, "
        f"each by itself; by chance {1 - level:.0%} would. Confounds go together; none is held "
        "fixed."
    ]
