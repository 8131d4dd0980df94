"""Shards: parts of a study that run apart, and their results put together again.

Shard k of N has every N-th distinct pair and all items of these pairs, so that no pair is patched
twice and the shards are about equally long.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from negtrace.errors import InputError


def take_shard(
    alignment: pd.DataFrame, candidates: pd.DataFrame, shard: int, shards: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The alignment and the candidates of one shard.

    Args:
        shard: from 1 to `shards`.

    Raises:
        InputError: there are fewer pairs than shards.
    """
    pairs = pd.unique(candidates["pair_id"].astype(str))
    if shards > len(pairs):
        raise InputError(
            f"compute.shards is {shards}, but there are only {len(pairs)} pairs; lower it"
        )
    chosen = set(pairs[shard - 1 :: shards])
    ours, items = (
        table[table["pair_id"].astype(str).isin(chosen)].reset_index(drop=True)
        for table in (alignment, candidates)
    )
    return ours, items


def gather(parts: Sequence[pd.DataFrame], items: pd.DataFrame) -> pd.DataFrame:
    """One table from those of all shards, in the order that a single run would give.

    Args:
        items: all that were swept, in order (column item_id).

    Raises:
        InputError: an item is missing or there twice.
    """
    seen = pd.concat([part["item_id"].drop_duplicates() for part in parts])
    if len(seen) != len(items) or set(seen) != set(items["item_id"]):
        raise InputError("the shards do not make up the study: delete their tables and run again")
    return in_order(pd.concat(parts, ignore_index=True), items)


def in_order(table: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Rows by item in the order of `items`; rows of one item stay in theirs."""
    order = pd.Series(range(len(items)), index=items["item_id"].astype(object))
    rows = table["item_id"].astype(object).map(order).sort_values(kind="stable").index
    return table.loc[rows].reset_index(drop=True)
