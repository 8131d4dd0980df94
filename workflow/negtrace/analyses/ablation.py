"""Ablation: d with sets of heads taken out together, in both sentences of every item.

Restoration patches one head into one sentence.  Here each head of a set is replaced by its mean
over the sentences' tokens of the same role (`ablated_runs.py`), and d is measured again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from negtrace.analyses.ablation_change import with_change
from negtrace.analyses.confirmation import RANKINGS, confirmation, set_means
from negtrace.analyses.head_sets import HeadSet, plan_sets, rank_heads, split_items
from negtrace.analyses.minimality import minimality, minimality_sets
from negtrace.errors import InputError
from negtrace.models.tower import TextTower
from negtrace.patching.interventions import Donor, Intervention
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import pictured
from negtrace.progress import silent
from negtrace.statistics.effect_sizes import Options
from negtrace.vocabulary import BASE_OF


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
    if donor not in ("mean", "zero"):
        raise InputError(f"donor {donor} does not ablate; use mean or zero")
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


def ablated_on(
    items: pd.DataFrame,
    tower: TextTower,
    tables: Mapping[str, pd.DataFrame],
    head_sets: Sequence[HeadSet],
    memory_gb: float,
    progress: Callable[..., Any],
) -> pd.DataFrame:
    """`ablated_scores` of some items alone, with their clusters.

    Args:
        items: item_id, pair_id and cluster_id.  Means are taken over their sentences.
        tables: alignment, candidates, images and scores.
    """
    alignment = tables["alignment"]
    candidates = pictured(tables["candidates"], tables["images"])
    ablated = ablated_scores(
        tower,
        alignment[alignment["pair_id"].astype(str).isin(set(items["pair_id"]))],
        candidates[candidates["item_id"].isin(items["item_id"])].reset_index(drop=True),
        tables["images"],
        tables["scores"],
        head_sets,
        tower.identity["logit_scale"],
        memory_gb=memory_gb,
        progress=progress,
    )
    return ablated.merge(items[["item_id", "cluster_id"]], on="item_id")


def ablate_found_heads(
    tower: TextTower,
    tables: Mapping[str, pd.DataFrame],
    heads: int,
    draws: int,
    seed: int,
    memory_gb: float = 2.0,
    progress: Callable[..., Any] = silent,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Rank heads on one half of the clusters; ablate the first, and others, on the other half.

    Whether each of the first is needed is tested there too (`minimality.py`).

    Args:
        tower: text tower, on the device and in the precision of the computation.
        tables: alignment, candidates, images, scores, segments, and the sweep of the heads.
        heads: how many heads the found set has.
        draws: random sets of each kind that it is compared with.
        seed: of the halves, the draws and the tests.
        memory_gb, progress: as in `restoration.sweep`.

    Returns:
        accuracy and mean d of every set (`confirmation.set_means`), the found set against others
        (`ablation_change.with_change`), and `minimality.minimality`.
    """
    chosen, tested = split_items(tables["segments"], seed)
    rankings = {by: rank_heads(tables["sweep"], tables["scores"], chosen, by) for by in RANKINGS}
    plan = plan_sets(rankings, heads, tower.shape, draws, seed)
    found = next(one.ablated for one in plan if one.purpose == "found")
    sets = [*(one.ablated for one in plan), *minimality_sets(found)]
    ablated = ablated_on(tested, tower, tables, sets, memory_gb, progress)
    planned = ablated["set"] < len(plan)
    of_plan, options = ablated[planned], Options(seed=seed)
    means = set_means(of_plan, plan)
    tests = with_change(confirmation(means), of_plan, plan, options)
    left_out = ablated[~planned].assign(set=ablated["set"] - len(plan))
    return means, tests, minimality(left_out, found, options)
