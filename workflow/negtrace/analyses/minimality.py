"""Minimality: does every head of a found set matter to what the set does?

A set of heads can stand up to ablation although some of its members do nothing.  Of each head v of
a set K the loss that it adds is

    d[K without v ablated] - d[K ablated]       [logits, by item]

(the minimality of Wang et al. 2022, arXiv 2211.00593, with K as the set that v is removed from): a
head that matters keeps d up when it alone is left intact.  Tests are over clusters that had no
part in choosing the heads; their family is the set.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from negtrace.analyses.head_sets import HeadSet
from negtrace.statistics.clusters import FEWEST_CLUSTERS
from negtrace.statistics.effect_sizes import DEFAULTS, Options, interval_of
from negtrace.statistics.map_values import ROUNDING, SUPPORT
from negtrace.statistics.resampling import sign_flip_tests

COLUMNS = [
    *("layer", "head", "loss", "loss_ci_low", "loss_ci_high", "p", "p_fwer"),
    *("loss_of_set", *SUPPORT),
]


def minimality_sets(found: HeadSet) -> list[HeadSet]:
    """Nothing, the found set, and the set without each of its heads in turn: what to ablate."""
    return [(), found, *(tuple(head for head in found if head != left) for left in found)]


def minimality(ablated: pd.DataFrame, found: HeadSet, options: Options = DEFAULTS) -> pd.DataFrame:
    """The loss that each head of the found set adds.

    Args:
        ablated: `ablation.ablated_scores` of `minimality_sets`, in their order, with the
            cluster_id of each item.
        found: the set.

    Returns:
        `COLUMNS`, a row per head: mean loss with its interval (null with fewer than 6 clusters)
        and sign-flip p-values by cluster, p_fwer over the heads of the set; loss_of_set, the mean d
        minus that with the whole set ablated.
    """
    d = ablated.pivot(index="item_id", columns="set", values="d")
    items = ablated.drop_duplicates("item_id").set_index("item_id")
    cluster_of = items["cluster_id"].astype(object)
    losses = d[list(range(2, 2 + len(found)))].sub(d[1], axis=0)
    by_cluster = losses.groupby(cluster_of).sum().to_numpy()
    counts = losses.groupby(cluster_of).size().to_numpy(float)[:, None].repeat(len(found), axis=1)
    tests = sign_flip_tests(by_cluster, options.flips, options.seed, ROUNDING)
    low = high = np.full(len(found), np.nan)
    if len(by_cluster) >= FEWEST_CLUSTERS:
        low, high = interval_of(len(by_cluster), options)(by_cluster, counts)
    return pd.DataFrame(
        {
            "layer": [block for block, _ in found],
            "head": [head for _, head in found],
            "loss": by_cluster.sum(0) / counts.sum(0),
            "loss_ci_low": low,
            "loss_ci_high": high,
            "p": tests.p,
            "p_fwer": tests.p_fwer,
            "loss_of_set": (d[0] - d[1]).mean(),
            "n_items": len(d),
            "n_pairs": items["pair_id"].nunique(),
            "n_clusters": len(by_cluster),
        }
    )[COLUMNS]
