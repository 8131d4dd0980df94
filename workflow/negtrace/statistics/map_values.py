"""Map values: what every patched token of every item contributes to a map, and sums by cluster.

A value's *change* is S_patched - S_base, oriented as its d is (`effect_sizes.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from negtrace.errors import InputError
from negtrace.statistics.groups import groups
from negtrace.vocabulary import BASE_OF

MAP = ["site", "direction"]
CELL = [*MAP, "layer", "head", "role"]
SUPPORT = ["n_items", "n_pairs", "n_clusters"]
# What follows an estimate's name: itself, and the limits of its interval.
ENDS = ("", "_ci_low", "_ci_high")

# Column of the base sentence's score, by direction.
BASE_SCORE = {direction: f"s_{base}" for direction, base in BASE_OF.items()}

# Logits that rounding can move a score by in float32, whatever the batch sizes.
ROUNDING = 1e-4


class ClusterSums(NamedTuple):
    """Sums over the values of each cluster [clusters, cells]: what intervals and tests need."""

    clusters: np.ndarray  # cluster_id [clusters]
    cells: pd.DataFrame  # the columns CELL, a row per cell
    n: np.ndarray  # values
    change: np.ndarray
    d: np.ndarray
    restoration: np.ndarray
    flipped: np.ndarray  # values whose classification changes
    known: np.ndarray  # values that follow from the definitions

    @property
    def by_definition(self) -> np.ndarray:
        """Whether nothing in a cell was computed [cells]."""
        whole: np.ndarray = self.known.sum(0) == self.n.sum(0)
        return whole

    def of_clusters(self, which: np.ndarray) -> ClusterSums:
        return ClusterSums(self.clusters[which], self.cells, *(table[which] for table in self[2:]))

    def of_cells(self, which: np.ndarray) -> ClusterSums:
        cells = self.cells.iloc[which].reset_index(drop=True)
        return ClusterSums(self.clusters, cells, *(table[:, which] for table in self[2:]))


def item_values(sweep: pd.DataFrame, scores: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """The values that enter a map: eligible cells of the items in `segments` that have an R.

    Returns:
        item_id, pair_id, cluster_id, `CELL`, restoration, change, d (logits), flipped and known
        (0 or 1).

    Raises:
        InputError: `scores` lacks an item or has it twice, or there is no such direction.
    """
    inside = sweep["item_id"].isin(segments["item_id"])
    rows = sweep[sweep["eligible"] & inside & sweep["restoration"].notna()]
    unknown = set(rows["direction"]) - set(BASE_SCORE)
    if unknown:
        raise InputError(
            f"sweep: direction {unknown.pop()!r} does not exist; use {' or '.join(BASE_SCORE)}"
        )
    of_item = scores.iloc[_rows_of(scores, rows["item_id"])]
    of_segment = pd.Index(segments["item_id"].astype(object))
    segment = of_segment.get_indexer(rows["item_id"].astype(object))
    negate = (rows["direction"] == "negate").to_numpy()
    source_is_caption = negate == (of_item["negation"] == "caption").to_numpy()
    s_base = np.where(negate, of_item[BASE_SCORE["negate"]], of_item[BASE_SCORE["affirm"]])
    change = (rows["s_patched"].to_numpy() - s_base) * np.where(source_is_caption, 1.0, -1.0)
    d = of_item["d"].to_numpy()
    return rows[["item_id", "pair_id", *CELL, "restoration"]].assign(
        cluster_id=segments["cluster_id"].to_numpy(object)[segment],
        change=change,
        d=d,
        flipped=(_sign(d) != _sign(d - change)).astype(float),
        known=rows["known"].to_numpy(float),
    )


def _rows_of(scores: pd.DataFrame, item_ids: pd.Series) -> np.ndarray:
    """Row of `scores` that each item stands in."""
    known = pd.Index(scores["item_id"].astype(object))
    if known.has_duplicates:
        twice = known[known.duplicated()][0]
        raise InputError(f"scores: item {twice} has several rows; pass one model and wording")
    found: np.ndarray = known.get_indexer(item_ids.astype(object))
    if (found < 0).any():
        missing = item_ids.iloc[int(np.argmin(found))]
        raise InputError(f"scores: no row for item {missing} of the sweep; compute both again")
    return found


def _sign(d: np.ndarray) -> np.ndarray:
    sign: np.ndarray = np.sign(d) * (np.abs(d) > ROUNDING)
    return sign


def maps(values: pd.DataFrame, segments: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(negation, segment, values) of every map: each group of items, site and direction."""
    for negation, segment, items in groups(segments):
        inside = values[values["item_id"].isin(items["item_id"])]
        for _, part in inside.groupby(MAP, observed=True, sort=False):
            yield negation, segment, part


def by_cell(part: pd.DataFrame) -> Any:
    return part.groupby(CELL, observed=True, dropna=False, sort=False)


def support(values: pd.DataFrame) -> pd.DataFrame:
    """What each cell rests on: n (values) and `SUPPORT`, in the order of `cluster_sums`."""
    distinct = {name: (f"{name[2:-1]}_id", "nunique") for name in SUPPORT}
    counts: pd.DataFrame = by_cell(values).agg(n=("item_id", "size"), **distinct)
    return counts.reset_index(drop=True)


def cluster_sums(part: pd.DataFrame, by: str = "cluster_id") -> ClusterSums:
    """Sum the values of a map by cluster (sorted) and cell (in order of first appearance)."""
    grouped = by_cell(part)
    cluster, clusters = pd.factorize(part[by].astype(object), sort=True)
    shape = (len(clusters), grouped.ngroups)
    at = cluster * shape[1] + grouped.ngroup().to_numpy()

    def total(column: str) -> np.ndarray:
        return np.bincount(at, part[column], minlength=shape[0] * shape[1]).reshape(shape)

    n = np.bincount(at, minlength=shape[0] * shape[1]).reshape(shape).astype(float)
    cells = part[CELL].drop_duplicates().reset_index(drop=True)
    columns = ("change", "d", "restoration", "flipped", "known")
    return ClusterSums(np.asarray(clusters), cells, n, *map(total, columns))
