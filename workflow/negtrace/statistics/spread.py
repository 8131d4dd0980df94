"""Spread: how a cell's effect differs between items and between pairs.

An interval tells how well the mean is known, not how alike items are: a cell that does everything
in half of the pairs and nothing in the others has as narrow a one as a cell that does half in all.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from negtrace.statistics.map_values import (
    CELL,
    ROUNDING,
    SUPPORT,
    by_cell,
    cluster_sums,
    item_values,
    maps,
    support,
)
from negtrace.vocabulary import ALL

QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
COLUMNS = [
    *("negation", *CELL, "known", "difference", "sd_items", "sd_pairs"),
    *(f"item_{name}" for name in QUANTILES),
    *("same_sign", "n", *SUPPORT),
]


def spread_map(sweep: pd.DataFrame, scores: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """Spread of every cell's change over all items, by negation.

    Args:
        sweep, scores, segments: as for `effect_sizes.effect_map`.

    Returns:
        `COLUMNS`: mean change (logits); its standard deviation over values and over the means of
        pairs; quantiles over values; same_sign, the share of pairs whose sum has the sign of the
        sum over all of them (null where either is rounding); n (values) and `SUPPORT`.

    Raises:
        InputError: see `map_values.item_values`.
    """
    parts = []
    for negation, segment, part in maps(item_values(sweep, scores, segments), segments):
        if segment != ALL:
            continue
        sums = cluster_sums(part, by="pair_id")
        change = by_cell(part)["change"]
        quantiles = {
            f"item_{name}": change.quantile(share).to_numpy() for name, share in QUANTILES.items()
        }
        with np.errstate(divide="ignore", invalid="ignore"):
            means = sums.change / sums.n
        parts.append(
            pd.concat([sums.cells, support(part)], axis=1).assign(
                **quantiles,
                negation=negation,
                known=sums.by_definition,
                sd_items=change.std().to_numpy(),
                difference=sums.change.sum(0) / sums.n.sum(0),
                sd_pairs=pd.DataFrame(means).std().to_numpy(),
                same_sign=same_sign(sums.change),
            )
        )
    return pd.concat(parts, ignore_index=True)[COLUMNS] if parts else pd.DataFrame(columns=COLUMNS)


def same_sign(change: np.ndarray) -> np.ndarray:
    """Share of the changed pairs whose sum has the sign of the whole [cells].

    Args:
        change: sums of pairs [pairs, cells].
    """
    signs = np.sign(change) * (np.abs(change) > ROUNDING)
    whole = change.sum(0)
    changed = (signs != 0).sum(0)
    agreeing = (signs == np.sign(whole)).sum(0)
    defined = (changed > 0) & (np.abs(whole) > ROUNDING)
    return np.where(defined, agreeing / np.maximum(changed, 1), np.nan)
