"""Means of a quantity by cell, with their intervals over clusters."""

from __future__ import annotations

import pandas as pd

from negtrace.statistics.effect_sizes import DEFAULTS, Options, with_limits
from negtrace.statistics.groups import grouped_means, groups, per_item
from negtrace.statistics.map_values import ENDS

MEAN = [f"mean{end}" for end in ENDS]


def means_with_limits(
    values: pd.DataFrame,
    column: str,
    keys: list[str],
    segments: pd.DataFrame,
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """`groups.grouped_means` with mean_ci_low and mean_ci_high, null with fewer than 6 clusters.

    Args:
        values, column, keys, segments: as there.
    """
    there = values.dropna(subset=[column])
    limits = []
    for negation, segment, items in groups(segments):
        inside = there.merge(items[["item_id", "cluster_id"]], on="item_id")
        by_cluster = inside.groupby([*keys, "cluster_id"], observed=True)[column]
        sums, counts = (
            of.unstack("cluster_id", fill_value=0) for of in (by_cluster.sum(), by_cluster.size())
        )
        totals, numbers = (of.to_numpy(float).T for of in (sums, counts))
        found = with_limits({"mean": (totals, numbers)}, numbers > 0, options)
        part = pd.DataFrame({name: found[name] for name in MEAN[1:]}, index=sums.index)
        limits.append(part.reset_index().assign(negation=negation, segment=segment))
    means = grouped_means(values, column, keys, segments)
    return means.merge(pd.concat(limits), on=["negation", "segment", *keys], validate="1:1")


def selectivity_map(
    selectivity: pd.DataFrame, segments: pd.DataFrame, options: Options = DEFAULTS
) -> pd.DataFrame:
    """Mean selectivity of every head over items, with its interval."""
    values = per_item(selectivity, segments)
    found = means_with_limits(values, "selectivity", ["layer", "head"], segments, options)
    return found.drop(columns="n")
