"""Clusters: items whose values depend on each other, because they have a sentence in common.

Items of a group (the foils of one multi-foil item), items of a pair, and items whose pairs share a
sentence are one cluster, and so is whatever that links.  Statistics resample clusters.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd


def with_clusters(candidates: pd.DataFrame) -> pd.DataFrame:
    """The table with `cluster_id`: the `pair_id` of the cluster's first item.

    Args:
        candidates: columns pair_id, negated, affirmative, group (null: an item by itself).
    """
    rows: list[Any] = candidates[["pair_id", "negated", "affirmative", "group"]].to_dict("records")
    keys = [
        [
            ("pair", row["pair_id"]),
            *(("sentence", row[name].lower()) for name in ("negated", "affirmative")),
            *([("group", row["group"])] if isinstance(row["group"], str) else []),
        ]
        for row in rows
    ]
    first = candidates["pair_id"].to_numpy()
    clusters = [first[number] for number in linked(keys)]
    return candidates.assign(cluster_id=pd.Series(clusters, index=candidates.index, dtype="str"))


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
