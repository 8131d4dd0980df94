"""Confirmation: do the heads that restoration singles out carry the negation?

From d with sets of heads ablated (`ablation.py`), on pairs that had no part in choosing them:

- the found set against random sets of as many heads (`confirmation`);
- curves over k (`curves`): d with the first k heads alone left intact, and with the first k
  ablated, as shares of what all heads do together::

      faithfulness(k) = (d[k heads intact, others ablated] - d[all ablated]) / (d - d[all ablated])
      completeness(k) = (d[k heads ablated] - d[all ablated]) / (d - d[all ablated])

  with d for its mean over items.  The terms are those of Wang et al. (2022, arXiv 2211.00593), the
  formulas those of Marks et al. (2024, arXiv 2403.19647): a set that carries everything has a
  faithfulness of 1 and, once ablated, leaves a completeness of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from negtrace.vocabulary import ALL

Ranking = Literal["signed", "absolute"]
Purpose = Literal["found", "random", "layer_matched", "kept", "removed"]

RANKINGS: tuple[Ranking, ...] = ("signed", "absolute")
NULLS: tuple[Purpose, ...] = ("random", "layer_matched")
MEASURES = ("accuracy", "mean_d")

# Sweeps agree to this many logits in float32; what differs by less is a tie.
ROUNDING = 1e-4


def set_means(ablated: pd.DataFrame, sets: Sequence[Any]) -> pd.DataFrame:
    """Accuracy and mean d of every set, by negation.

    An item whose d is within float32's rounding of 0 is not correct.

    Args:
        ablated: table ``ablated_scores`` of the sets, in their order.

    Returns:
        set, purpose, ranking (null for drawn sets), k, heads (the ablated ones, as block.head),
        negation, accuracy, mean_d (logits), n_items, n_pairs.
    """
    values = ablated.assign(correct=ablated["d"] > ROUNDING)
    parts = []
    for negation in ("caption", "foil", ALL):
        items = values if negation == ALL else values[values["negation"] == negation]
        grouped = items.groupby("set")
        means = grouped.agg(
            accuracy=("correct", "mean"),
            mean_d=("d", "mean"),
            n_items=("item_id", "size"),
            n_pairs=("pair_id", "nunique"),
        ).reset_index()
        means.insert(1, "negation", negation)
        parts.append(means)
    described = pd.DataFrame(
        {
            "set": np.arange(len(sets), dtype=np.int32),
            "purpose": [one.purpose for one in sets],
            "ranking": pd.array([one.ranking for one in sets], dtype="string"),
            "k": pd.array([one.k for one in sets], dtype="int16"),
            "heads": [one.heads for one in sets],
        }
    )
    return described.merge(pd.concat(parts), on="set")


def unablated(means: pd.DataFrame) -> pd.Series:
    """The row of `set_means` with nothing ablated, of one negation."""
    return means[(means["purpose"] == "removed") & (means["k"] == 0)].iloc[0]


def confirmation(means: pd.DataFrame) -> pd.DataFrame:
    """The found set against randomly drawn ones.

    p is one-sided: (1 + number of drawn sets with a drop at least as large as the found set's)
    / (1 + number of drawn sets).  It holds for these items; for others see the
    interval of `ablation_change.with_change`.

    Args:
        means: `set_means` of the sets of `plan_sets`.

    Returns:
        negation, null (``random`` or ``layer_matched``), measure (``accuracy`` or ``mean_d``), k,
        full (the measure with nothing ablated), found, drawn_mean, drawn_sd, p, n_sets (drawn;
        fewer than were asked for only where no more exist, and p is exact), n_items, n_pairs.
    """
    rows = []
    for negation, of_negation in means.groupby("negation", sort=False):
        found = of_negation[of_negation["purpose"] == "found"].iloc[0]
        full = unablated(of_negation)
        for null in NULLS:
            drawn = of_negation[of_negation["purpose"] == null]
            for measure in MEASURES:
                as_large = int((drawn[measure] <= found[measure] + ROUNDING).sum())
                rows.append(
                    {
                        "negation": negation,
                        "null": null,
                        "measure": measure,
                        "k": found["k"],
                        "full": full[measure],
                        "found": found[measure],
                        "drawn_mean": drawn[measure].mean(),
                        "drawn_sd": drawn[measure].std(),
                        "p": (1 + as_large) / (1 + len(drawn)),
                        "n_sets": len(drawn),
                        "n_items": found["n_items"],
                        "n_pairs": found["n_pairs"],
                    }
                )
    return pd.DataFrame(rows)


def curves(means: pd.DataFrame) -> pd.DataFrame:
    """Faithfulness and completeness over the number of heads.

    Args:
        means: `set_means` of the sets of `plan_sets`.

    Returns:
        negation, ranking, k, mean_d_kept (the k heads intact, others ablated), mean_d_removed (the
        k heads ablated), accuracy_kept, accuracy_removed, faithfulness, completeness (null where
        ablating all heads does not change the mean d), n_items, n_pairs.
    """
    keys = ["negation", "ranking", "k"]
    kept, removed = (
        means.loc[means["purpose"] == purpose, [*keys, *MEASURES, "n_items", "n_pairs"]]
        for purpose in ("kept", "removed")
    )
    removed = removed.drop(columns=["n_items", "n_pairs"])
    both = kept.merge(removed, on=keys, suffixes=("_kept", "_removed"))
    nothing = both[both["k"] == 0].set_index(["negation", "ranking"])
    at = pd.MultiIndex.from_frame(both[["negation", "ranking"]])
    full = nothing.loc[at, "mean_d_removed"].to_numpy()
    empty = nothing.loc[at, "mean_d_kept"].to_numpy()
    span = np.where(np.abs(full - empty) > ROUNDING, full - empty, np.nan)
    both = both.assign(
        faithfulness=(both["mean_d_kept"] - empty) / span,
        completeness=(both["mean_d_removed"] - empty) / span,
    )
    return both.sort_values(keys, kind="stable", ignore_index=True)
