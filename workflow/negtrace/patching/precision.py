"""Precision: how far a sweep in a lower precision is from the same sweep in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

CELL = ["item_id", "layer", "head", "position"]


def sample_pairs(candidates: pd.DataFrame, pairs: int) -> pd.DataFrame:
    """The items of so many evenly spaced pairs, or of all if they are no more."""
    distinct = candidates["pair_id"].astype(object).unique()
    count = min(pairs, len(distinct))
    at = np.linspace(0, len(distinct) - 1, count).round().astype(int)
    return candidates[candidates["pair_id"].isin(distinct[at])].reset_index(drop=True)


def deviation(lower: pd.DataFrame, exact: pd.DataFrame) -> dict[str, float]:
    """Differences of s_patched between two sweeps over the computed cells of both, in logits.

    Known cells are left out: both tables have the same unpatched scores there.

    Args:
        exact: of the same items, or of some of them.

    Returns:
        ``largest`` and ``mean`` absolute difference (0 if nothing was computed), the number of
        ``cells`` compared, and of how many ``pairs`` they are, ``of_pairs`` that there are.
    """
    counts = {"pairs": exact["pair_id"].nunique(), "of_pairs": lower["pair_id"].nunique()}
    both = exact.merge(lower, on=CELL, suffixes=("_exact", "_lower"))
    both = both[both["eligible_exact"] & ~both["known_exact"]]
    difference = (both["s_patched_lower"] - both["s_patched_exact"]).abs()
    return {
        "largest": float(difference.max()) if len(difference) else 0.0,
        "mean": float(difference.mean()) if len(difference) else 0.0,
        "cells": len(difference),
        **counts,
    }


def whole_deviation(shards: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The deviation of a whole table from those of its shards (`deviation`)."""
    cells = sum(shard["cells"] for shard in shards)
    total = sum(shard["mean"] * shard["cells"] for shard in shards)
    return {
        "largest": max((shard["largest"] for shard in shards), default=0.0),
        "mean": total / cells if cells else 0.0,
        "cells": cells,
        **{name: sum(shard[name] for shard in shards) for name in ("pairs", "of_pairs")},
    }
