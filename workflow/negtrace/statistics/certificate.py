"""Certificate: swaps whose result is known beforehand, swept by the engine beside the study.

- A *self-swap*, whose source sentence is the base sentence, must change nothing.
- That is also true of a patch that never takes hold.  So a *whole swap*, which replaces a hidden
  state at every position at once, must give the source run's score, and not the base run's.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from negtrace.statistics.map_values import BASE_SCORE, ROUNDING
from negtrace.vocabulary import BASE_OF, SOURCE_OF, Polarity

SOURCE_SCORE = {direction: f"s_{source}" for direction, source in SOURCE_OF.items()}
# Polarity of the base sentence, by that of the source sentence.
BASE_FOR = {source: BASE_OF[direction] for direction, source in SOURCE_OF.items()}
COLUMNS = ["check", "cells", "computed", "largest", "smallest", "passed"]


def self_swaps(table: pd.DataFrame, source: Polarity) -> pd.DataFrame:
    """The table with each pair's base sentence as its source sentence, too.

    Args:
        table: ``alignment``, ``sentences`` or ``scores``.
        source: polarity of the source sentence (`vocabulary.SOURCE_OF`).
    """
    if "polarity" not in table:
        scored: pd.DataFrame = table.assign(**{f"s_{source}": table[f"s_{BASE_FOR[source]}"]})
        return scored
    base = table[table["polarity"] == BASE_FOR[source]]
    if "counterpart" in base:
        base = base.assign(counterpart=base["position"].astype("Int16"))
    return pd.concat([base, base.assign(polarity=source)], ignore_index=True)


def whole_pairs(alignment: pd.DataFrame) -> pd.Series:
    """Ids of the pairs whose tokens all stand in the same places: those that have whole swaps."""
    in_place = alignment["counterpart"] == alignment["position"]
    whole = in_place.fillna(False).groupby(alignment["pair_id"], observed=True).all()
    return pd.Series(whole.index[whole].astype(str), name="pair_id")


def certificate(
    self_sweep: pd.DataFrame,
    whole_sweep: pd.DataFrame,
    scores: pd.DataFrame,
    tolerance: float = ROUNDING,
) -> pd.DataFrame:
    """Whether swaps do what they must.

    Args:
        self_sweep: table ``sweep`` of `self_swaps`.
        whole_sweep: that of ``Intervention("resid", positions="all")`` on `whole_pairs`.
        scores: table ``scores`` of the unchanged pairs.
        tolerance: logits that rounding may move a computed score by.

    Returns:
        `COLUMNS`, a row per check: cells, how many of them the engine computed, the largest and the
        smallest of the distances (logits) that the check is about, and whether it passed.  Nothing
        passes without a cell, and the second and third check not without a computed one.
    """
    at_rest = self_sweep[self_sweep["eligible"]]
    moved = whole_sweep[whole_sweep["eligible"]]
    still = distance(at_rest, scores, BASE_SCORE)
    to_source = distance(moved, scores, SOURCE_SCORE)
    from_base = distance(moved, scores, BASE_SCORE)
    # Items whose two sentences hardly differ in score cannot tell a swap from none.
    apart = np.abs(from_base - to_source) > 10 * tolerance
    limit = np.where(at_rest["known"], 0.0, tolerance)
    computed = int((~moved["known"]).sum())
    rows = [
        (
            "a self-swap changes nothing",
            int((~at_rest["known"]).sum()),
            still,
            bool((still <= limit).all()),
        ),
        (
            "a whole swap gives the source run",
            computed,
            to_source,
            computed > 0 and bool((to_source <= tolerance).all()),
        ),
        (
            "a whole swap is not the base run",
            int((~moved["known"]).to_numpy()[apart].sum()),
            from_base[apart],
            bool((from_base[apart] > tolerance).all()) and bool(computed),
        ),
    ]
    return pd.DataFrame(
        [
            (
                check,
                len(of),
                count,
                of.max() if len(of) else np.nan,
                of.min() if len(of) else np.nan,
                passed and len(of) > 0,
            )
            for check, count, of, passed in rows
        ],
        columns=COLUMNS,
    )


def distance(sweep: pd.DataFrame, scores: pd.DataFrame, column: dict[str, str]) -> np.ndarray:
    """|S_patched - S| of every row, in logits, S being the score of one of the item's sentences.

    Args:
        column: of `scores`, by direction.
    """
    of_item = scores.set_index(scores["item_id"].astype(object)).loc[
        sweep["item_id"].astype(object)
    ]
    directions = sweep["direction"].astype(object)
    unpatched = np.select(
        [(directions == direction).to_numpy() for direction in column],
        [of_item[name].to_numpy() for name in column.values()],
        default=np.nan,
    )
    apart: np.ndarray = np.abs(sweep["s_patched"].to_numpy() - unpatched)
    return apart
