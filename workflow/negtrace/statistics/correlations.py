"""Correlations of item values with d, many columns at once.

p-values treat items as independent.  They are not: items share sentence pairs (505 items, 299 pairs
in VALSE), so the p-values are too small; they are reported because published ones are of this kind.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import pearsonr, rankdata

MEASURES = ["pearson", "pearson_p", "spearman", "spearman_p"]
FEWEST_ITEMS = 3

# Values that spread by less than this share of the largest one differ by float32 rounding only.
ROUNDING = 1e-6


def correlate(values: pd.DataFrame, d: pd.Series) -> pd.DataFrame:
    """Pearson and Spearman correlation of every column with d, with two-sided p-values.

    Args:
        values: [items, columns]; nulls leave an item out of their column.
        d: [items], no nulls.

    Returns:
        pearson, pearson_p, spearman, spearman_p, n_items; one row per column of `values`, with its
        name as index.  Null where fewer than 3 items have a value, or the values or d do not vary.
    """
    x, y = values.to_numpy(float), d.to_numpy(float)
    present = ~np.isnan(x)
    result = np.full((x.shape[1], len(MEASURES)), np.nan)
    # Columns with the same items are computed together; nearly always that is all of them.
    patterns, pattern_of = np.unique(present, axis=1, return_inverse=True)
    for number, items in enumerate(patterns.T):
        columns = np.flatnonzero(pattern_of == number)
        if items.sum() < FEWEST_ITEMS or not _varies(y[items]):
            continue
        columns = columns[_varies(x[np.ix_(items, columns)])]
        if len(columns):
            result[columns] = _both(x[np.ix_(items, columns)], y[items])
    table = pd.DataFrame(result, index=values.columns, columns=MEASURES)
    return table.assign(n_items=present.sum(axis=0))


def _varies(values: np.ndarray) -> np.ndarray:
    """Whether the values of each column [items, columns] differ by more than rounding."""
    spread = np.ptp(values, axis=0)
    varies: np.ndarray = spread > ROUNDING * np.abs(values).max(axis=0)
    return varies


def _both(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The four `MEASURES` of every column of x [items, columns] with y [items]."""
    y = np.broadcast_to(y[:, None], x.shape)
    linear = pearsonr(x, y, axis=0)
    # Spearman's correlation and its t approximation are Pearson's on ranks.
    ranked = pearsonr(rankdata(x, axis=0), rankdata(y, axis=0), axis=0)
    return np.stack([linear.statistic, linear.pvalue, ranked.statistic, ranked.pvalue], axis=1)
