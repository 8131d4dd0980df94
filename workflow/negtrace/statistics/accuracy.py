"""Accuracy and mean d with their intervals.

Apart from `groups.accuracy`, which is made with the segments: these must not depend on settings of
statistics, because everything depends on them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from negtrace.statistics.effect_sizes import DEFAULTS, Options, with_limits
from negtrace.statistics.groups import accuracy, groups
from negtrace.statistics.resampling import Interval, share_interval
from negtrace.vocabulary import ALL


def with_intervals(segments: pd.DataFrame, options: Options = DEFAULTS) -> pd.DataFrame:
    """`groups.accuracy` with limits of accuracy and of mean d.

    Both are over clusters; that of the mean is null where these are too few.
    """
    rows: list[dict[str, Any]] = []
    for negation, segment, items in groups(segments):
        if segment == ALL:
            rows.append({"negation": negation, **_limits(items, options)})
    return accuracy(segments).merge(pd.DataFrame(rows), on="negation", validate="1:1")


def _limits(items: pd.DataFrame, options: Options) -> dict[str, float]:
    low, high = accuracy_interval(items, options.level)
    by_cluster = items.groupby("cluster_id", observed=True)["d"].agg(["sum", "size"])
    d, count = (by_cluster[[name]].to_numpy(float) for name in ("sum", "size"))
    mean = with_limits({"mean_d": (d, count)}, np.full(count.shape, True), options)
    limits = {name: float(limit[0]) for name, limit in mean.items() if name != "mean_d"}
    return {"accuracy_ci_low": float(low[0]), "accuracy_ci_high": float(high[0]), **limits}


def accuracy_interval(items: pd.DataFrame, level: float) -> Interval:
    """Limits of the share of items with d > 0, over clusters (`resampling.share_interval`)."""
    by_cluster = items.groupby("cluster_id", observed=True)["correct"].agg(["sum", "size"])
    counts = by_cluster.to_numpy(float)
    return share_interval(counts[:, :1], counts[:, 1:], level)
