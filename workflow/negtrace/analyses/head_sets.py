"""Head sets: which heads are ablated together, and which others they are compared with.

Clusters are split into two halves: heads are ranked on all items of one (`rank_heads`), and all
that follows is measured on the other.  The first k heads, the *found* set, are compared with random
sets of k heads, and with random sets of as many heads in each block.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain, combinations, product
from math import comb, prod
from typing import NamedTuple

import numpy as np
import pandas as pd

from negtrace.analyses.confirmation import NULLS, Purpose, Ranking
from negtrace.errors import InputError
from negtrace.models.tower_shape import TowerShape
from negtrace.statistics.map_values import item_values

Head = tuple[int, int]  # block and head, both from 1
HeadSet = tuple[Head, ...]


class AblationSet(NamedTuple):
    """Heads that are ablated together, and why."""

    purpose: Purpose
    ranking: Ranking | None  # None: drawn at random
    k: int  # heads of the set itself; for `kept`, those that stay intact
    ablated: HeadSet

    @property
    def heads(self) -> str:
        """The ablated heads as block.head, separated by spaces."""
        return " ".join(f"{block}.{head}" for block, head in self.ablated)


def split_clusters(cluster_ids: Iterable[str], seed: int) -> tuple[frozenset[str], frozenset[str]]:
    """Two random halves of the distinct clusters: to select heads on, and to evaluate them on.

    Items of one cluster stay together.  The order of `cluster_ids` makes no difference.

    Raises:
        InputError: fewer than two clusters.
    """
    distinct = sorted(set(map(str, cluster_ids)))
    if len(distinct) < 2:
        raise InputError(
            f"{len(distinct)} cluster of sentence pairs cannot be split into two halves; use a "
            "larger dataset"
        )
    order = np.random.default_rng(seed).permutation(distinct).tolist()
    half = len(order) // 2
    return frozenset(order[:half]), frozenset(order[half:])


def split_items(items: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The items of either half (`split_clusters`): to select heads on, and to evaluate them on.

    Args:
        items: cluster_id, and any other columns.
    """
    selection, _ = split_clusters(items["cluster_id"], seed)
    selects = items["cluster_id"].astype(str).isin(selection)
    return items[selects], items[~selects]


def rank_heads(
    swept: pd.DataFrame, scores: pd.DataFrame, items: pd.DataFrame, by: Ranking = "signed"
) -> HeadSet:
    """All heads by the mean change of the score that each makes over all items, the highest first.

    That is the numerator of the ratio of means (`effect_sizes.py`), whose denominator is the same
    for all heads; segments, which are chosen by it, have no part in the choice.

    Args:
        swept: table ``sweep`` of site ``head`` in one direction.
        scores: table of that name.
        items: rows of table ``segments``; restrict them to the half for selection.
        by: ``signed``, or ``absolute`` to rank heads that work against the negation as high.

    Raises:
        InputError: another site, several directions, or no item with a restoration.
    """
    if set(swept["site"]) != {"head"} or swept["direction"].nunique() != 1:
        raise InputError("heads are ranked by one sweep of site head in one direction")
    values = item_values(swept, scores, items)
    if values.empty:
        raise InputError("no item to rank heads by: check filter.min_votes")
    means = values.groupby(["layer", "head"], observed=True)["change"].mean()
    strength = means.abs() if by == "absolute" else means
    order = strength.sort_values(ascending=False, kind="stable").index
    return tuple((int(layer), int(head)) for layer, head in order)


def other_sets(
    found: HeadSet, shape: TowerShape, draws: int, rng: np.random.Generator, matched: bool
) -> list[HeadSet]:
    """Distinct random sets of as many heads as the found one, none of them the found one.

    Where no more than `draws` exist, these are all of them, and a p-value from them is exact.

    Args:
        matched: as many heads of each block as the found set has; else of all heads alike.
    """
    pools = [(every_head(shape), len(found))]
    if matched:
        counts = sorted(Counter(block for block, _ in found).items())
        heads = range(1, shape.heads + 1)
        pools = [(tuple((block, head) for head in heads), count) for block, count in counts]
    if prod(comb(len(pool), count) for pool, count in pools) - 1 <= draws:
        every = product(*(combinations(pool, count) for pool, count in pools))
        sets = [tuple(chain(*parts)) for parts in every]
        return [one for one in sets if one != found]
    drawn: dict[HeadSet, None] = {}
    while len(drawn) < draws:
        parts = [rng.choice(pool, count, replace=False).tolist() for pool, count in pools]
        one = tuple(sorted((block, head) for block, head in chain(*parts)))
        if one != found:
            drawn[one] = None
    return list(drawn)


def every_head(shape: TowerShape) -> HeadSet:
    """All heads of a tower as (block, head)."""
    return tuple(
        (block, head) for block in range(1, shape.layers + 1) for head in range(1, shape.heads + 1)
    )


def curve_sizes(total: int) -> list[int]:
    """0, 1, 2, 4, 8, ... below the total, and the total."""
    return [0, *(2**power for power in range((total - 1).bit_length())), total]


def plan_sets(
    rankings: Mapping[Ranking, HeadSet], k: int, shape: TowerShape, draws: int = 200, seed: int = 0
) -> list[AblationSet]:
    """Every set that `confirmation` and `curves` compare.

    Args:
        rankings: all heads of the tower, by each ranking (`rank_heads`).
        k: size of the found set, the first heads of the signed ranking.
        draws: most random sets of each kind.

    Raises:
        InputError: k is not between 1 and the number of heads, or a ranking lacks heads.
    """
    heads = every_head(shape)
    if not 1 <= k <= len(heads):
        raise InputError(f"a set of {k} heads in a tower of {len(heads)}; choose from 1 on")
    if any(sorted(order) != list(heads) for order in rankings.values()):
        raise InputError(
            f"a ranking does not have all {len(heads)} heads of the tower; rank heads by a sweep of"
            " the same model"
        )
    found = tuple(sorted(rankings["signed"][:k]))
    sets = [AblationSet("found", "signed", k, found)]
    for null, rng in zip(NULLS, np.random.default_rng(seed).spawn(len(NULLS)), strict=True):
        drawn = other_sets(found, shape, draws, rng, matched=null == "layer_matched")
        sets += [AblationSet(null, None, k, one) for one in drawn]
    for ranking, order in rankings.items():
        for size in curve_sizes(len(order)):
            sets.append(AblationSet("kept", ranking, size, tuple(sorted(order[size:]))))
            sets.append(AblationSet("removed", ranking, size, tuple(sorted(order[:size]))))
    return sets
