"""Precision: how far a sweep in a lower precision is from the same sweep in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

SAMPLE_PAIRS = 24
CELL = ["item_id", "layer", "head", "position"]


def sample_items(candidates: pd.DataFrame, pairs: int = SAMPLE_PAIRS) -> pd.DataFrame:
    """One item each of evenly spaced pairs."""
    first = candidates.drop_duplicates("pair_id")
    at = np.unique(np.linspace(0, len(first) - 1, min(pairs, len(first))).round().astype(int))
    return first.iloc[at].reset_index(drop=True)


def deviation(lower: pd.DataFrame, exact: pd.DataFrame) -> dict[str, float]:
    """Differences of s_patched between two sweeps over the computed cells of both, in logits.

    Known cells are left out: both tables have the same unpatched scores there.

    Returns:
        ``largest`` and ``mean`` absolute difference (0 if nothing was computed), and the number of
        ``cells`` compared.
    """
    both = exact.merge(lower, on=CELL, suffixes=("_exact", "_lower"))
    both = both[both["eligible_exact"] & ~both["known_exact"]]
    difference = (both["s_patched_lower"] - both["s_patched_exact"]).abs()
    return {
        "largest": float(difference.max()) if len(difference) else 0.0,
        "mean": float(difference.mean()) if len(difference) else 0.0,
        "cells": len(difference),
    }


def whole_deviation(shards: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The deviation of a whole table from those of its shards (`deviation`)."""
    cells = sum(shard["cells"] for shard in shards)
    total = sum(shard["mean"] * shard["cells"] for shard in shards)
    return {
        "largest": max((shard["largest"] for shard in shards), default=0.0),
        "mean": total / cells if cells else 0.0,
        "cells": cells,
    }
