"""Effects of patches whose placebo stands beside them, item by item, in the column s_placebo."""

from __future__ import annotations

import pandas as pd

from negtrace.statistics.credible import placebo_change, with_placebo
from negtrace.statistics.donor_map import donor_map
from negtrace.statistics.effect_sizes import DEFAULTS, Options, effect_map


def beside_placebo(
    cells: pd.DataFrame,
    scores: pd.DataFrame,
    segments: pd.DataFrame,
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """Effect of every cell over all items, by negation, and whether it exceeds its placebo.

    Args:
        cells: columns of the table ``sweep``, and s_placebo: the score of the same cell patched
            from a placebo, null where it has none.
        scores, segments: tables of those names; items that are not in `segments` are left out.

    Returns:
        `effect_sizes.effect_map` with exceeds_placebo (`credible.with_placebo`) and placebo, the
        mean change by it (logits), null where there is none.

    Raises:
        InputError: see `map_values.item_values`.
    """
    whole = segments.assign(segment="")  # segments are chosen by d, and nothing is tested there
    placebo = cells[cells["s_placebo"].notna()].assign(donor="placebo")
    placebo["s_patched"] = placebo["s_placebo"]
    donors = donor_map(cells, scores, placebo, whole, options)
    found = with_placebo(effect_map(cells, scores, whole, options), donors, 1 - options.level)
    return found.assign(placebo=placebo_change(found, donors))
