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
from negtrace.statistics.resampling import share_interval
from negtrace.vocabulary import ALL


def with_intervals(segments: pd.DataFrame, options: Options = DEFAULTS) -> pd.DataFrame:
    """`groups.accuracy` with limits of accuracy (`resampling.share_interval`) and of mean d.

    Both are over clusters; that of the mean is null where these are too few.
    """
    rows: list[dict[str, Any]] = []
    for negation, segment, items in groups(segments):
        if segment == ALL:
            rows.append({"negation": negation, **_limits(items, options)})
    return accuracy(segments).merge(pd.DataFrame(rows), on="negation", validate="1:1")


def _limits(items: pd.DataFrame, options: Options) -> dict[str, float]:
    by_cluster = items.groupby("cluster_id", observed=True)
    right, d = (by_cluster[name].sum().to_numpy(float)[:, None] for name in ("correct", "d"))
    count = by_cluster.size().to_numpy(float)[:, None]
    low, high = share_interval(right, count, options.level)
    mean = with_limits({"mean_d": (d, count)}, np.full(count.shape, True), options)
    limits = {name: float(limit[0]) for name, limit in mean.items() if name != "mean_d"}
    return {"accuracy_ci_low": float(low[0]), "accuracy_ci_high": float(high[0]), **limits}
