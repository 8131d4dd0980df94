"""Means of a quantity by cell, with their intervals over clusters."""

from __future__ import annotations

import pandas as pd

from negtrace.statistics.effect_sizes import DEFAULTS, Options, with_limits
from negtrace.statistics.groups import COMPONENT_KEYS, grouped_means, groups, per_item
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
    for _, _, items in groups(segments):
        inside = there.merge(items[["item_id", "cluster_id"]], on="item_id")
        # Cells in the order of `grouped_means`; keys may be null, which no index can be.
        cell = inside.groupby(keys, observed=True, dropna=False, sort=False).ngroup()
        by_cluster = inside.groupby([cell.rename("cell"), "cluster_id"], observed=True)[column]
        sums, counts = (
            of.unstack("cluster_id", fill_value=0) for of in (by_cluster.sum(), by_cluster.size())
        )
        totals, numbers = (of.to_numpy(float).T for of in (sums, counts))
        found = with_limits({"mean": (totals, numbers)}, numbers > 0, options)
        limits.append(pd.DataFrame({name: found[name] for name in MEAN[1:]}))
    return pd.concat(
        [grouped_means(values, column, keys, segments), pd.concat(limits, ignore_index=True)],
        axis="columns",
    )


def selectivity_map(
    selectivity: pd.DataFrame, segments: pd.DataFrame, options: Options = DEFAULTS
) -> pd.DataFrame:
    """Mean selectivity of every head over items, with its interval."""
    values = per_item(selectivity, segments)
    found = means_with_limits(values, "selectivity", ["layer", "head"], segments, options)
    return found.drop(columns="n")


def contribution_map(
    contributions: pd.DataFrame, segments: pd.DataFrame, options: Options = DEFAULTS
) -> pd.DataFrame:
    """Mean direct contribution to d of every component with its interval, and its share of mean d.

    The total effect that belongs beside a head's share is its mean restoration.

    Args:
        contributions: table ``contributions``.
        segments: table ``segments``.

    Returns:
        columns negation, segment, component, layer, head, role, mean (logits), sd, n, n_items,
        n_pairs, mean_ci_low, mean_ci_high, share.  Within a group of items means add up to the
        group's mean d, and shares to 1; shares are null where the mean d is 0.
    """
    means = means_with_limits(contributions, "d", COMPONENT_KEYS, segments, options)
    mean_d = means.groupby(["negation", "segment"], observed=True)["mean"].transform("sum")
    return means.assign(share=(means["mean"] / mean_d).where(mean_d != 0))
