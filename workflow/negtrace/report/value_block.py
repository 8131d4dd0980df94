"""What copying each cell of a sweep does to every item, as whole numbers for `blocks.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from negtrace.report.blocks import columns
from negtrace.statistics.map_values import item_values

CHANGES_PER_LOGIT = 1000  # steps in which they are kept
CELL = ["layer", "head", "role"]


def value_block(
    sweep: pd.DataFrame, scores: pd.DataFrame, segments: pd.DataFrame
) -> dict[str, Any]:
    """What copying each cell changes in every item's score, oriented as in the maps.

    Returns:
        cells: lists of layer, head and role; changes: a list for each cell, in the order of
        `segments`, in 1/`CHANGES_PER_LOGIT` logits, None where the item has no such token. Several
        tokens of one role are averaged. Cells that change nothing anywhere have an empty list.
    """
    values = item_values(sweep, scores, segments)
    cell = values[CELL].astype({"layer": int, "head": "Int16", "role": object})
    means = values["change"].groupby([*(cell[n] for n in CELL), values["item_id"].astype(object)],
                                     sort=False, dropna=False).mean()  # fmt: skip
    wide = means.unstack().reindex(columns=segments["item_id"].astype(object))
    kept = (wide * CHANGES_PER_LOGIT).round().to_numpy()
    cells = wide.index.to_frame(index=False)
    return {
        "cells": columns(cells),
        "changes": [integers(row) if np.nan_to_num(row).any() else [] for row in kept],
    }


def integers(values: Any) -> list[int | None]:
    """Values as whole numbers, None for none."""
    return [None if value != value else round(value) for value in np.asarray(values, float)]
