"""Accuracy: at how many items the true sentence scores higher, and by how much."""

from __future__ import annotations

import numpy as np
import pandas as pd

from negtrace.statistics.effect_sizes import DEFAULTS, Options, with_limits
from negtrace.statistics.groups import groups
from negtrace.statistics.resampling import share_interval
from negtrace.vocabulary import ALL, SEGMENTS


def accuracy(segments: pd.DataFrame, options: Options = DEFAULTS) -> pd.DataFrame:
    """Share of items with d > 0, mean d and the size of each segment, by negation.

    Args:
        segments: table of that name.

    Returns:
        one row per negation; limits of the share (`resampling.share_interval`) and of the mean over
        clusters, null where these are too few.
    """
    rows = []
    for negation, segment, items in groups(segments):
        if segment != ALL:
            continue
        by_cluster = items.groupby("cluster_id", observed=True)
        right, d = (by_cluster[name].sum().to_numpy(float)[:, None] for name in ("correct", "d"))
        count = by_cluster.size().to_numpy(float)[:, None]
        low, high = share_interval(right, count, options.level)
        mean = with_limits({"mean_d": (d, count)}, np.full_like(count, True, dtype=bool), options)
        counts = items["segment"].value_counts()
        rows.append(
            {
                "negation": negation,
                "n_items": len(items),
                "n_pairs": items["pair_id"].nunique(),
                "n_clusters": len(count),
                "accuracy": items["correct"].mean(),
                "accuracy_ci_low": low[0],
                "accuracy_ci_high": high[0],
                **{name: limit[0] for name, limit in mean.items()},
                "mean_d": items["d"].mean(),
                "sd_d": items["d"].std(),
                **{f"n_{name}": int(counts.get(name, 0)) for name in SEGMENTS},
            }
        )
    return pd.DataFrame(rows)
