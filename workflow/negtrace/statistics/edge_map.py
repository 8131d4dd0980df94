"""Edge map: effect, interval, tests and placebo of every edge, as maps of cells have them.

All edges of a direction are one map (`edge_cells.py`), and so one family of corrected p-values
(`effect_sizes.py`, `donor_map.py`).
"""

from __future__ import annotations

import pandas as pd

from negtrace.statistics.credible import credible
from negtrace.statistics.edge_cells import EDGE, as_cells
from negtrace.statistics.effect_sizes import DEFAULTS, Options
from negtrace.statistics.map_values import ENDS, SUPPORT
from negtrace.statistics.placebo import beside_placebo

COLUMNS = [
    *("negation", "direction", *EDGE),
    *(f"{name}{end}" for name in ("ratio", "difference") for end in ENDS),
    *("p", "p_fwer", "q_fdr", "placebo", "exceeds_placebo", "kept", "least", *SUPPORT),
]


def edge_map(
    edges: pd.DataFrame,
    scores: pd.DataFrame,
    segments: pd.DataFrame,
    least: float,
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """Effect of every edge over all items, by negation.

    Args:
        edges: table ``edges``.
        scores, segments: tables of those names; items that are not in `segments` are left out.
        least: share of d that an edge has to be worth to be kept.

    Returns:
        `COLUMNS`: share of d and mean oriented change (logits), with intervals; sign-flip p-values
        of the change, corrected over all edges of the direction; placebo, the mean change by the
        placebo (null where there is none), and whether the edge significantly exceeds it; kept,
        whether it is significant, exceeds its placebo and is worth `least`.

    Raises:
        InputError: see `map_values.item_values`.
    """
    cells = as_cells(edges)
    found = beside_placebo(cells, scores, segments, options)
    names = cells[["layer", "sender", "receiver"]].drop_duplicates("layer")
    found = found.merge(names, on="layer")
    kept = credible(found, 1 - options.level) & (found["ratio"].abs() >= least)
    return found.assign(kept=kept, least=least)[COLUMNS].reset_index(drop=True)
