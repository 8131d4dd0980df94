"""Ablation: do the heads that restoration singles out carry the negation?

Restoration patches one head into one sentence.  Here heads are taken out together, in *both*
sentences of every item: each is replaced by its mean over the sentences' tokens of the same role
(`donors.py`), and d is measured again.

1. Pairs are split into two halves: heads are ranked by restoration on one (`rank_heads`), all that
   follows is measured on the other.
2. The first k heads, the *found* set, are compared with random sets of k heads, and with random
   sets of as many heads in each block (`confirmation`).
3. Curves over k: d with the first k heads alone left intact, and with the first k ablated
   (`curves`), as shares of what all heads do together::

       faithfulness(k) = (d[k heads intact, others ablated] - d[all ablated]) / (d - d[all ablated])
       completeness(k) = (d[k heads ablated] - d[all ablated]) / (d - d[all ablated])

   with d for its mean over items.  The terms are those of Wang et al. (2022, arXiv 2211.00593), the
   formulas those of Marks et al. (2024, arXiv 2403.19647): a set that carries everything has a
   faithfulness of 1 and, once ablated, leaves a completeness of 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, combinations, product
from math import comb, prod
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from negtrace.effects import ALL
from negtrace.errors import InputError
from negtrace.interventions import Donor, Intervention
from negtrace.restoration import silent, sweep
from negtrace.runs import BASE_OF
from negtrace.tower import TextTower, TowerShape

Head = tuple[int, int]  # block and head, both from 1
HeadSet = tuple[Head, ...]
Ranking = Literal["signed", "absolute"]
Purpose = Literal["found", "random", "layer_matched", "kept", "removed"]

RANKINGS: tuple[Ranking, ...] = ("signed", "absolute")
NULLS: tuple[Purpose, ...] = ("random", "layer_matched")
MEASURES = ("accuracy", "mean_d")

# Sweeps agree to this many logits in float32; what differs by less is a tie.
ROUNDING = 1e-4


class AblationSet(NamedTuple):
    """Heads that are ablated together, and why."""

    purpose: Purpose
    ranking: Ranking | None  # None: drawn at random
    k: int  # heads of the set itself; for `kept`, those that stay intact
    ablated: HeadSet

    @property
    def heads(self) -> str:
        """The ablated heads as block.head, separated by spaces."""
        return " ".join(f"{block}.{head}" for block, head in self.ablated)


def split_pairs(pair_ids: Iterable[str], seed: int) -> tuple[frozenset[str], frozenset[str]]:
    """Two random halves of the distinct pairs: to select heads on, and to evaluate them on.

    Items of one pair stay together.  The order of `pair_ids` makes no difference.

    Raises:
        InputError: fewer than two pairs.
    """
    distinct = sorted(set(map(str, pair_ids)))
    if len(distinct) < 2:
        raise InputError(
            f"{len(distinct)} sentence pair cannot be split into two halves; use a larger dataset"
        )
    order = np.random.default_rng(seed).permutation(distinct).tolist()
    half = len(order) // 2
    return frozenset(order[:half]), frozenset(order[half:])


def rank_heads(swept: pd.DataFrame, segments: pd.DataFrame, by: Ranking = "signed") -> HeadSet:
    """All heads by mean restoration over the items of `segments`, the highest first.

    Restoration is a ratio, unstable where d is near 0: give items of one segment.

    Args:
        swept: table ``sweep`` of site ``head`` in one direction.
        segments: rows of table ``segments``; restrict them to the half for selection.
        by: ``signed``, or ``absolute`` to rank heads that work against the negation as high.

    Raises:
        InputError: another site, several directions, or no item with a restoration.
    """
    if set(swept["site"]) != {"head"} or swept["direction"].nunique() != 1:
        raise InputError("heads are ranked by one sweep of site head in one direction")
    values = swept[swept["item_id"].isin(segments["item_id"])].dropna(subset=["restoration"])
    if values.empty:
        raise InputError(
            "no item to rank heads by: check the segment's thresholds and filter.min_votes"
        )
    means = values.groupby(["layer", "head"], observed=True)["restoration"].mean()
    strength = means.abs() if by == "absolute" else means
    order = strength.sort_values(ascending=False, kind="stable").index
    return tuple((int(layer), int(head)) for layer, head in order)


def other_sets(
    found: HeadSet, shape: TowerShape, draws: int, rng: np.random.Generator, matched: bool
) -> list[HeadSet]:
    """Distinct random sets of as many heads as the found one, none of them the found one.

    Where no more than `draws` exist, these are all of them, and a p-value from them is exact.

    Args:
        matched: as many heads of each block as the found set has; else of all heads alike.
    """
    pools = [(every_head(shape), len(found))]
    if matched:
        counts = sorted(Counter(block for block, _ in found).items())
        heads = range(1, shape.heads + 1)
        pools = [(tuple((block, head) for head in heads), count) for block, count in counts]
    if prod(comb(len(pool), count) for pool, count in pools) - 1 <= draws:
        every = product(*(combinations(pool, count) for pool, count in pools))
        sets = [tuple(chain(*parts)) for parts in every]
        return [one for one in sets if one != found]
    drawn: dict[HeadSet, None] = {}
    while len(drawn) < draws:
        parts = [rng.choice(pool, count, replace=False).tolist() for pool, count in pools]
        one = tuple(sorted((block, head) for block, head in chain(*parts)))
        if one != found:
            drawn[one] = None
    return list(drawn)


def every_head(shape: TowerShape) -> HeadSet:
    """All heads of a tower as (block, head)."""
    return tuple(
        (block, head) for block in range(1, shape.layers + 1) for head in range(1, shape.heads + 1)
    )


def curve_sizes(total: int) -> list[int]:
    """0, 1, 2, 4, 8, ... below the total, and the total."""
    return [0, *(2**power for power in range((total - 1).bit_length())), total]


def plan_sets(
    rankings: Mapping[Ranking, HeadSet], k: int, shape: TowerShape, draws: int = 200, seed: int = 0
) -> list[AblationSet]:
    """Every set that `confirmation` and `curves` compare.

    Args:
        rankings: all heads of the tower, by each ranking (`rank_heads`).
        k: size of the found set, the first heads of the signed ranking.
        draws: most random sets of each kind.

    Raises:
        InputError: k is not between 1 and the number of heads, or a ranking lacks heads.
    """
    heads = every_head(shape)
    if not 1 <= k <= len(heads):
        raise InputError(f"a set of {k} heads in a tower of {len(heads)}; choose from 1 on")
    if any(sorted(order) != list(heads) for order in rankings.values()):
        raise InputError(
            f"a ranking does not have all {len(heads)} heads of the tower; rank heads by a sweep of"
            " the same model"
        )
    found = tuple(sorted(rankings["signed"][:k]))
    sets = [AblationSet("found", "signed", k, found)]
    for null, rng in zip(NULLS, np.random.default_rng(seed).spawn(len(NULLS)), strict=True):
        drawn = other_sets(found, shape, draws, rng, matched=null == "layer_matched")
        sets += [AblationSet(null, None, k, one) for one in drawn]
    for ranking, order in rankings.items():
        for size in curve_sizes(len(order)):
            sets.append(AblationSet("kept", ranking, size, tuple(sorted(order[size:]))))
            sets.append(AblationSet("removed", ranking, size, tuple(sorted(order[:size]))))
    return sets


def ablated_scores(
    tower: TextTower,
    alignment: pd.DataFrame,
    candidates: pd.DataFrame,
    images: pd.DataFrame,
    scores: pd.DataFrame,
    head_sets: Sequence[HeadSet],
    logit_scale: float,
    donor: Donor = "mean",
    memory_gb: float = 2.0,
    progress: Callable[..., Any] = silent,
) -> pd.DataFrame:
    """Scores and d of every item with sets of heads ablated, at all positions, in both sentences.

    The affirmative sentence is the base run of direction ``negate``, the negated one that of
    ``affirm``, so two sweeps give both (`restoration.sweep`).  Equal sets are computed once.

    Args:
        tower: text tower, on the device and in the precision of the computation.
        alignment, candidates, images, scores: tables of those names.  Means are taken over the
            sentences of these candidates.
        head_sets: the sets, each as (block, head) pairs; an empty one ablates nothing.
        logit_scale: factor between a cosine and a score.
        donor: ``mean`` or ``zero``.
        memory_gb, progress: as in `restoration.sweep`.

    Returns:
        columns set (index into `head_sets`), item_id, pair_id, negation, s_negated,
        s_affirmative, d; ordered by set, then as the candidates.

    Raises:
        InputError: the donor is no ablation, or the tower lacks a head.
    """
    if donor == "source":
        raise InputError("donor source patches and does not ablate; use mean or zero")
    wanted = [tuple(sorted(set(heads))) for heads in head_sets]
    distinct = list(dict.fromkeys(wanted))
    columns = [distinct.index(heads) for heads in wanted]
    patched = [i for i, heads in enumerate(distinct) if heads]
    unpatched = scores.set_index("item_id").loc[candidates["item_id"]]
    s = {}
    for direction, polarity in BASE_OF.items():
        values = np.repeat(unpatched[f"s_{polarity}"].to_numpy()[:, None], len(distinct), axis=1)
        if patched:
            intervention = Intervention(
                "head", "all", head_sets=tuple(distinct[i] for i in patched), donor=donor
            )
            tables = (alignment, candidates, images, scores)
            found = sweep(tower, *tables, intervention, direction, logit_scale, memory_gb, progress)
            by_item = found.pivot(index="item_id", columns="head_set", values="s_patched")
            values[:, patched] = by_item.loc[candidates["item_id"]].to_numpy()
        s[polarity] = values[:, columns].T.ravel()
    every = pd.concat([candidates[["item_id", "pair_id", "negation"]]] * len(wanted))
    sign = np.where(every["negation"] == "caption", 1, -1)
    result = every.reset_index(drop=True).assign(
        s_negated=s["negated"],
        s_affirmative=s["affirmative"],
        d=sign * (s["negated"] - s["affirmative"]),
    )
    result.insert(0, "set", np.repeat(np.arange(len(wanted), dtype=np.int32), len(candidates)))
    return result


def set_means(ablated: pd.DataFrame, sets: Sequence[AblationSet]) -> pd.DataFrame:
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


def confirmation(means: pd.DataFrame) -> pd.DataFrame:
    """The found set against randomly drawn ones.

    p is one-sided: (1 + number of drawn sets with a drop at least as large as the found set's)
    / (1 + number of drawn sets).  It holds for these items; how well the result carries over to
    other items it does not say.

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


def unablated(means: pd.DataFrame) -> pd.Series:
    """The row of `set_means` with nothing ablated, of one negation."""
    return means[(means["purpose"] == "removed") & (means["k"] == 0)].iloc[0]


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
