"""Specification curve: would other choices have named the same heads?

One study can be analysed in many defensible ways (effect size, wording, direction, donor, negation,
segment, model seed).  Each is a *specification*; the curve shows the rank of the named heads in
every one of them, sorted (Simonsohn, Simmons & Nelson 2020).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from negtrace.statistics.credible import NOTABLE, TOP_HEADS, named
from negtrace.statistics.map_values import ENDS
from negtrace.vocabulary import EFFECTS

HEAD = ["layer", "head"]

# What a study's maps differ in, besides the effect size.
CHOICES = ["wording", "direction", "donor", "negation", "segment", "seed"]

# Donors of a specification: each pair's own source sentence, or another pair's (`donor_map.py`).
# A placebo is none: it asks another question.
OWN_PAIR, ANOTHER_PAIR = "own pair", "another pair"


def named_heads(
    maps: Iterable[pd.DataFrame], alpha: float, count: int = TOP_HEADS
) -> list[tuple[int, int]]:
    """The heads, as (block, head), that sentences about any of the maps name, without repeats.

    Args:
        maps: of sites of heads, each with the column p_study (`credible.with_study_tests`).
        alpha: level of the family-wise error.
        count: at most so many of each map.
    """
    found: dict[tuple[int, int], None] = {}
    for table in maps:
        best = named(table, alpha)
        rows: Any = best[best["mean"] >= NOTABLE].head(count).itertuples()
        for row in rows:
            found[int(row.layer), int(row.head)] = None
    return list(found)


def by_another_pair(donor_map: pd.DataFrame) -> pd.DataFrame:
    """What heads do by another pair's source, as a map: ratio with its limits, and difference.

    Args:
        donor_map: table of that name; without the donor transfer there are no rows.
    """
    own = {f"ratio_donor{end}": f"ratio{end}" for end in ENDS}
    own["difference_donor"] = "difference"
    transfer = donor_map[donor_map["donor"] == "transfer"]
    return transfer.drop(columns=list(own.values())).rename(columns=own)


def specification_curve(
    maps: pd.DataFrame, heads: Sequence[tuple[int, int]], choices: Sequence[str] = CHOICES
) -> pd.DataFrame:
    """Rank of every named head in every specification.

    Args:
        maps: maps of sites of heads with effect sizes (``restoration_map``), one below the other.
        heads: the named ones, as (block, head).
        choices: columns that tell specifications apart, besides the effect size.

    Returns:
        columns specification (from 1, by the mean rank of the named heads, the best first),
        *choices, effect, layer, head, value, rank (1: the highest of all heads; equal ones share
        the lower number), n_heads.  Specifications in which no head has a value are left out, and
        ratios without a bounded interval: their denominator may be 0, and turns the order about.
    """
    named = pd.DataFrame(heads, columns=HEAD)
    parts = []
    for labels, part in maps.groupby(list(choices), observed=True, dropna=False, sort=True):
        chosen: dict[str, Any] = dict(zip(choices, labels, strict=True))
        for effect in (name for name in EFFECTS if name in part):
            limits = [f"ratio{end}" for end in ("_ci_low", "_ci_high") if f"ratio{end}" in part]
            table = part.dropna(subset=[effect, *(limits if effect == "ratio" else ())])
            if table.empty:
                continue
            rank = table[effect].rank(method="min", ascending=False).to_numpy(int)
            ranked = table[HEAD].astype(int).assign(value=table[effect], rank=rank)
            parts.append(
                named.merge(ranked, on=HEAD).assign(**chosen, effect=effect, n_heads=len(table))
            )
    columns = ["specification", *choices, "effect", *HEAD, "value", "rank", "n_heads"]
    if not parts:
        return pd.DataFrame(columns=columns)
    every = pd.concat(parts, ignore_index=True)
    mean_rank = every.groupby([*choices, "effect"], observed=True, dropna=False, sort=False)
    order = mean_rank["rank"].mean().rank(method="first")
    every["specification"] = np.asarray(order, dtype=int)[mean_rank.ngroup()]
    return every.sort_values(["specification", "rank"], kind="stable", ignore_index=True)[columns]


def among_highest(curve: pd.DataFrame, k: int) -> pd.DataFrame:
    """Share of the specifications in which each named head is among the k highest.

    Returns:
        columns layer, head, share, worst_rank, n_specifications.
    """
    grouped = curve.assign(high=curve["rank"] <= k).groupby(HEAD, sort=False)
    return grouped.agg(
        share=("high", "mean"), worst_rank=("rank", "max"), n_specifications=("rank", "size")
    ).reset_index()
