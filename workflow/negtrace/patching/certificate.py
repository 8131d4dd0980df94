"""Certificate: patches whose result is known beforehand, swept by the engine beside the study.

- A *self-swap*, whose source sentence is the base sentence, must change nothing: cells that are
  known by definition exactly, and the same cells up to rounding when they are computed all the
  same (donor ``base``: every activation is replaced by itself and propagated).
- All that is also true of a patch that never takes hold.  So a *whole swap*, which replaces a
  hidden state at every position at once, must give the source run's score, and not the base run's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Float

from negtrace.errors import InputError
from negtrace.models.tower import TextTower
from negtrace.patching.interventions import Intervention
from negtrace.patching.precision import sample_pairs
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import scores, sentence_embeddings
from negtrace.vocabulary import BASE_OF, SOURCE_OF, Polarity

PAIRS = 8  # of the sample, of each kind of swap

# Difference of two cosines that rounding explains in float32, whatever the batch sizes.
ROUNDING = 1e-5

SELF = "a self-swap changes nothing"
COMPUTED = "a self-swap changes nothing when it is computed"
ARRIVES = "a whole swap gives the source run"
LEAVES = "a whole swap is not the base run"
COLUMNS = ["check", "cells", "computed", "largest", "smallest", "tolerance", "passed", "n_pairs"]

Distances = Float[np.ndarray, " values"]


def certified(
    tower: TextTower,
    alignment: pd.DataFrame,
    candidates: pd.DataFrame,
    images: pd.DataFrame,
    pairs: int = PAIRS,
    memory_gb: float = 2.0,
) -> pd.DataFrame:
    """Sweep a sample of pairs, evenly spaced, by patches whose result is known.

    Args:
        tower: text tower in float32 or float64.
        alignment, candidates, images: tables of those names.
        pairs: how many distinct ones; and of those whose tokens all stand in the same places, which
            alone have whole swaps, as many again.

    Returns:
        `certificate` of both directions.

    Raises:
        InputError: a check fails.
    """
    scale = tower.identity["logit_scale"]
    items = sample_pairs(candidates, pairs)
    whole = sample_pairs(candidates[candidates["pair_id"].isin(whole_pairs(alignment))], pairs)
    both = pd.concat([items, whole]).drop_duplicates("item_id", ignore_index=True)
    alignment = alignment[alignment["pair_id"].isin(both["pair_id"])]
    own = scores(both, sentence_embeddings(tower, alignment, memory_gb), images, scale)
    run = partial(sweep, tower, logit_scale=scale, memory_gb=memory_gb)
    still, computed, moved = [], [], []
    for direction, source in SOURCE_OF.items():
        same, of_same = self_swaps(alignment, source), self_swaps(own, source)
        still.append(run(same, items, images, of_same, "resid", direction))
        for site in ("resid", "head"):
            itself = Intervention(site, donor="base")
            computed.append(run(alignment, items, images, own, itself, direction))
        if len(whole):
            everywhere = Intervention("resid", positions="all")
            moved.append(run(alignment, whole, images, own, everywhere, direction))
    found = certificate(still, computed, moved, own, ROUNDING * scale)
    failed = found[found["passed"].eq(False)]
    if len(failed):
        worst = failed.iloc[0]
        raise InputError(
            f"certificate: “{worst['check']}” does not hold: scores are {worst['smallest']:.2g} to"
            f" {worst['largest']:.2g} logits away (rounding: {worst['tolerance']:.2g}); patches of"
            " this model cannot be relied on, nothing is swept: please report it with the model"
        )
    return found.assign(n_pairs=both["pair_id"].nunique())[COLUMNS]


def self_swaps(table: pd.DataFrame, source: Polarity) -> pd.DataFrame:
    """The table with each pair's base sentence as its source sentence, too.

    Args:
        table: ``alignment``, ``sentences`` or ``scores``.
        source: polarity of the source sentence (`vocabulary.SOURCE_OF`).
    """
    (polarity,) = (base for direction, base in BASE_OF.items() if SOURCE_OF[direction] == source)
    if "polarity" not in table:
        scored: pd.DataFrame = table.assign(**{f"s_{source}": table[f"s_{polarity}"]})
        return scored
    base = table[table["polarity"] == polarity]
    if "counterpart" in base:
        base = base.assign(counterpart=base["position"].astype("Int16"))
    return pd.concat([base, base.assign(polarity=source)], ignore_index=True)


def whole_pairs(alignment: pd.DataFrame) -> pd.Series:
    """Ids of the pairs whose tokens all stand in the same places: those that have whole swaps."""
    in_place = alignment["counterpart"] == alignment["position"]
    whole = in_place.fillna(False).groupby(alignment["pair_id"], observed=True).all()
    return pd.Series(whole.index[whole].astype(str), name="pair_id")


def certificate(
    still: Sequence[pd.DataFrame],
    computed: Sequence[pd.DataFrame],
    moved: Sequence[pd.DataFrame],
    scores: pd.DataFrame,
    tolerance: float,
) -> pd.DataFrame:
    """Whether swaps do what they must.

    Args:
        still: tables ``sweep`` of `self_swaps`.
        computed: those of ``donor="base"``.
        moved: those of ``Intervention("resid", positions="all")`` on `whole_pairs`.
        scores: table ``scores`` of the unchanged pairs.
        tolerance: logits that rounding may move a computed score by.

    Returns:
        a row per check: check, cells, how many of them the engine computed, the largest and the
        smallest of the distances (logits) that the check is about, tolerance, and whether it
        passed: null without a cell, and but for the first check without a computed one.
    """
    at_rest, again, moving = (_eligible(tables) for tables in (still, computed, moved))
    from_base = distance(moving, scores, BASE_OF)
    to_source = distance(moving, scores, SOURCE_OF)
    # Items whose two sentences hardly differ in score cannot tell a swap from none.
    apart = np.abs(from_base - to_source) > 10 * tolerance
    rests = distance(at_rest, scores, BASE_OF)
    rows = [
        _row(SELF, at_rest, rests, rests <= np.where(at_rest["known"], 0, tolerance), 0),
        _within(COMPUTED, again, distance(again, scores, BASE_OF), tolerance),
        _within(ARRIVES, moving, to_source, tolerance),
        _row(LEAVES, moving[apart], from_base[apart], from_base[apart] > tolerance),
    ]
    found = pd.DataFrame(rows).assign(tolerance=tolerance)
    return found.astype({"passed": "boolean"})


def _eligible(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    columns = ["item_id", "direction", "known", "s_patched"]
    rows = [table.loc[table["eligible"], columns].astype({"direction": str}) for table in tables]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)


def _within(check: str, rows: pd.DataFrame, of: Distances, tolerance: float) -> dict[str, object]:
    return _row(check, rows, of, of <= tolerance)


def _row(
    check: str, rows: pd.DataFrame, of: Distances, holds: np.ndarray, least_computed: int = 1
) -> dict[str, object]:
    computed = int((~rows["known"].astype(bool)).sum())
    shown = len(rows) > 0 and computed >= least_computed
    return {
        "check": check,
        "cells": len(rows),
        "computed": computed,
        "largest": of.max(initial=0) if len(rows) else np.nan,
        "smallest": of.min() if len(rows) else np.nan,
        "passed": bool(holds.all()) if shown else None,
    }


def distance(sweep: pd.DataFrame, scores: pd.DataFrame, of: dict[str, Polarity]) -> Distances:
    """|S_patched - S| of every row, in logits, S being the score of one of the item's sentences.

    Args:
        of: the sentence's polarity, by direction.
    """
    rows = scores.set_index(scores["item_id"].astype(str)).loc[list(sweep["item_id"].astype(str))]
    unpatched = np.select(
        [(sweep["direction"] == direction).to_numpy() for direction in of],
        [rows[f"s_{polarity}"].to_numpy() for polarity in of.values()],
        default=np.nan,
    )
    apart: Distances = np.abs(sweep["s_patched"].to_numpy(float) - unpatched)
    return apart
