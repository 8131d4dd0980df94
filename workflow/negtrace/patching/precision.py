"""Precision: how far a sweep in a lower precision is from the same sweep in float32."""

from __future__ import annotations

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
    """Differences of s_patched between two sweeps over the cells that both have, in logits.

    Returns:
        ``largest`` and ``mean`` absolute difference, and the number of ``cells`` compared.
    """
    both = exact.merge(lower, on=CELL, suffixes=("_exact", "_lower"))
    both = both[both["eligible_exact"]]
    difference = (both["s_patched_lower"] - both["s_patched_exact"]).abs()
    return {
        "largest": float(difference.max()),
        "mean": float(difference.mean()),
        "cells": len(difference),
    }
