"""Groups of items: from per-item values to accuracy, segments and means by cell.

Thresholds enter here and nowhere earlier, so that changing one recomputes no forward run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from negtrace.statistics.clusters import cluster_ids
from negtrace.vocabulary import ALL, SEGMENTS

# What tells the rows of a map of direct contributions apart.
COMPONENT_KEYS = ["component", "layer", "head", "role"]


def segments(
    scores: pd.DataFrame, pairs: pd.DataFrame, thresholds: Mapping[str, float]
) -> pd.DataFrame:
    """Classify every item of `pairs` by d, and say which cluster it is of.

    Args:
        scores: table ``scores`` (items that are not in `pairs` are left out).
        pairs: table ``pairs``; without its sentences and groups, items of a pair are a cluster.
        thresholds: ``incorrect_below`` and ``correct_from``: incorrect d < the one, correct
            d >= the other, ambiguous between.

    Returns:
        columns item_id, pair_id, cluster_id (`clusters.py`), negation, d, segment, correct (d > 0).
    """
    kept = scores[scores["item_id"].isin(pairs["item_id"])].reset_index(drop=True)
    d = kept["d"]
    segment = np.select(
        [d < thresholds["incorrect_below"], d >= thresholds["correct_from"]],
        ["incorrect", "correct"],
        default="ambiguous",
    )
    links = pairs.filter(["item_id", "negated", "affirmative", "group"])
    plain = kept[["item_id", "pair_id"]].astype(str)
    linked = plain.merge(links, on="item_id", validate="one_to_one")
    table = kept[["item_id", "pair_id", "negation", "d"]].assign(segment=segment, correct=d > 0)
    table.insert(2, "cluster_id", cluster_ids(linked))
    return table


def groups(segments: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(negation, segment, items) for caption, foil and all, times each segment and all."""
    for negation in ("caption", "foil", ALL):
        of_negation = segments if negation == ALL else segments[segments["negation"] == negation]
        for segment in (*SEGMENTS, ALL):
            items = (
                of_negation if segment == ALL else of_negation[of_negation["segment"] == segment]
            )
            if len(items):
                yield negation, segment, items


def accuracy(segments: pd.DataFrame) -> pd.DataFrame:
    """Share of items with d > 0, mean d and the size of each segment, by negation."""
    rows = []
    for negation, segment, items in groups(segments):
        if segment != ALL:
            continue
        counts = items["segment"].value_counts()
        rows.append(
            {
                "negation": negation,
                "n_items": len(items),
                "n_pairs": items["pair_id"].nunique(),
                "n_clusters": items["cluster_id"].nunique(),
                "accuracy": items["correct"].mean(),
                "mean_d": items["d"].mean(),
                "sd_d": items["d"].std(),
                **{f"n_{name}": int(counts.get(name, 0)) for name in SEGMENTS},
            }
        )
    return pd.DataFrame(rows)


def grouped_means(
    values: pd.DataFrame, column: str, keys: list[str], segments: pd.DataFrame
) -> pd.DataFrame:
    """Mean and standard deviation of a column by `keys`, within every group of items.

    Args:
        values: one row per item (column item_id) and cell.
        column: the averaged column; nulls are left out.

    Returns:
        columns negation, segment, *keys, mean, sd, n (values averaged), n_items, n_pairs.
    """
    values = values.dropna(subset=[column])
    parts = []
    for negation, segment, items in groups(segments):
        inside = values[values["item_id"].isin(items["item_id"])]
        grouped = inside.groupby(keys, observed=True, dropna=False, sort=False)
        means = grouped.agg(
            mean=(column, "mean"),
            sd=(column, "std"),
            n=(column, "size"),
            n_items=("item_id", "nunique"),
            n_pairs=("pair_id", "nunique"),
        ).reset_index()
        means.insert(0, "negation", negation)
        means.insert(1, "segment", segment)
        parts.append(means)
    return pd.concat(parts, ignore_index=True)


def restoration_map(sweep: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """Mean restoration by layer, head and role: the paper's CTE map for site ``resid``.

    Without intervals; `effect_sizes.effect_map` gives the same means with them.

    A role that covers several tokens of an item (`subject_rest`) enters with each of them, so
    items are weighted by how many they have.
    """
    values = sweep[sweep["eligible"]]
    keys = ["site", "direction", "layer", "head", "role"]
    return grouped_means(values, "restoration", keys, segments)


def per_item(by_pair: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """Repeat the rows of each pair for every item of the pair."""
    return segments[["item_id", "pair_id"]].merge(by_pair, on="pair_id", sort=False)


def attention_map(attention: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """Mean of A_negated - A_affirmative by head and query role.

    Of the tokens of `subject_rest` an item enters with its maximum, or 0 if it has none
    (Quantmeyer et al. 2024, figure of attention by position).
    """
    values = per_item(attention_by_role(attention), segments)
    keys = ["layer", "head", "role"]
    return grouped_means(values, "difference", keys, segments).drop(columns="n")


def attention_by_role(attention: pd.DataFrame) -> pd.DataFrame:
    """A_negated - A_affirmative of every pair, the largest of each role's tokens.

    Returns:
        columns pair_id, layer, head, role, difference.
    """
    difference = attention.assign(difference=attention["a_negated"] - attention["a_affirmative"])
    cells = ["pair_id", "layer", "head", "role"]
    by_role = difference.groupby(cells, observed=True, sort=False)["difference"].max()
    if "there" in set(attention["role"]):
        by_role = _with_zeros(by_role, "subject_rest")
    return by_role.reset_index()


def _with_zeros(by_role: pd.Series, role: str) -> pd.Series:
    """Give pairs of the "There is/are" kind that lack a role a 0 for it."""
    there = by_role.xs("there", level="role").index
    wanted: Any = pd.MultiIndex.from_tuples(
        [(*cell, role) for cell in there], names=by_role.index.names
    )
    missing = wanted.difference(by_role.index)
    both: pd.Series = pd.concat([by_role, pd.Series(0.0, index=missing, name=by_role.name)])
    return both
