"""Clusters: items whose values depend on each other, because they have a sentence in common.

Items of a group (the foils of one multi-foil item), items of a pair, and items whose pairs share a
sentence are one cluster, and so is whatever that links: clusters are connected components.  They
are the unit of all statistics: what is resampled, what keeps one sign, what a half holds or lacks.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

from negtrace.statistics.resampling import effective_number

# With fewer clusters no test reaches p = 0.05 (2 / 2**5 > 0.05), and resamples repeat themselves.
FEWEST_CLUSTERS = 6

# With fewer clusters of equal size, skewed changes raise the family-wise error, and bootstrap
# intervals are too narrow (docs/calibration.md).  It is the effective number that counts (Carter,
# Schnepel & Steigerwald 2017): 50 clusters of very unequal size can be few (MacKinnon & Webb 2017),
# of equal size 30 need not be (Cameron, Gelbach & Miller 2008).
FEW_CLUSTERS = 50

LINKS = {"pair_id": "pair", "negated": "sentence", "affirmative": "sentence", "group": "group"}


def cluster_ids(items: pd.DataFrame) -> np.ndarray:
    """The cluster of every item: the `pair_id` of the first item in it.

    Args:
        items: pair_id, and whatever else there is of negated, affirmative and group (null: an item
            by itself).
    """
    columns = [
        [(kind, value.lower()) if isinstance(value, str) else None for value in items[name]]
        for name, kind in LINKS.items()
        if name in items
    ]
    keys = [[key for key in row if key] for row in zip(*columns, strict=True)]
    first: np.ndarray = items["pair_id"].to_numpy(object)[linked(keys)]
    return first


def of_few(clusters: pd.Series) -> str | None:
    """Words for items whose clusters are few; None where they are not.

    Args:
        clusters: cluster_id of every item.
    """
    sizes = clusters.value_counts().to_numpy(float)
    effective = float(effective_number(sizes[sizes > 0, None])[0])
    if effective >= FEW_CLUSTERS:
        return None
    return (
        f"the items make {(sizes > 0).sum()} clusters (pairs that share sentences or groups), "
        f"worth {effective:.1f} of equal size: with fewer than {FEW_CLUSTERS}, tests of skewed "
        "changes err more often than they say, and intervals by percentile or bca are too narrow"
    )


def linked(keys: Sequence[Sequence[Hashable]]) -> list[int]:
    """For every row the first row that it is linked to by common keys, itself included."""
    parent = list(range(len(keys)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    seen: dict[Hashable, int] = {}
    for row, of_row in enumerate(keys):
        for key in of_row:
            a, b = root(row), root(seen.setdefault(key, row))
            parent[max(a, b)] = min(a, b)
    return [root(row) for row in range(len(keys))]
