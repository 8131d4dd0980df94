"""Trust in attribution: how far the map that gradients give is the map that patching gives.

Both maps are means of the oriented change over all items, cell by cell, of one site and direction.

    rank_correlation  Spearman's, over cells
    sign_agreement    share of the cells that patching changes whose sign is right
    recall            share of the `top` cells that patching changes most, either way, that are also
                      among the `top` by gradients
    worst_miss        largest difference of a cell, over the largest effect that patching has

Intervals are percentiles over resampled clusters, in which both maps are made anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import rankdata

from negtrace.statistics.effect_sizes import DEFAULTS, Options
from negtrace.statistics.map_values import BASE_SCORE, ROUNDING, SUPPORT, cluster_sums, item_values
from negtrace.statistics.resampling import resamples
from negtrace.vocabulary import ATTRIBUTIONS

CELL = ["layer", "head", "role", "sender", "receiver"]
MAP = ["site", "direction", "method"]
MAP_COLUMNS = [*MAP, *CELL, "exact", "estimate", "miss"]
MEASURES = ("rank_correlation", "sign_agreement", "recall", "worst_miss")
TRUST_COLUMNS = [
    *(*MAP, "measure", "value", "value_ci_low", "value_ci_high"),
    *("top", "n_cells", *SUPPORT),
]
FEWEST_CELLS = 3

Means = Float[np.ndarray, "resamples cells"]


class Compared(NamedTuple):
    """Two maps of the same cells, first of all items, then of every resample."""

    label: dict[str, Any]
    cells: pd.DataFrame
    exact: Means
    estimate: Means
    counts: dict[str, int]


def attribution_trust(
    attributions: pd.DataFrame,
    scores: pd.DataFrame,
    segments: pd.DataFrame,
    top: int,
    options: Options = DEFAULTS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both maps, and how alike they are.

    Args:
        attributions, scores, segments: tables of those names.
        top: how many cells `recall` is of; fewer where a map has not twice as many.

    Returns:
        `MAP_COLUMNS`, a row per cell and method (logits; the largest miss first); `TRUST_COLUMNS`,
        null where a map has fewer than 3 cells.
    """
    maps, trust = [], []
    for one in compared(attributions, scores, segments, options):
        exact, estimate = one.exact[0], one.estimate[0]
        table = one.cells.assign(
            **one.label, exact=exact, estimate=estimate, miss=np.abs(estimate - exact)
        )
        maps.append(table.sort_values("miss", ascending=False, kind="stable"))
        of_map = max(1, min(top, len(exact) // 2))
        found = measures(one.exact, one.estimate, of_map)
        for measure in MEASURES:
            values = found[measure] if len(exact) >= FEWEST_CELLS else np.array([np.nan] * 2)
            low, high = (
                np.nanquantile(values[1:], [(1 - options.level) / 2, (1 + options.level) / 2])
                if np.isfinite(values[1:]).any()
                else (np.nan, np.nan)
            )
            trust.append(
                {
                    **one.label,
                    "measure": measure,
                    "value": values[0],
                    "value_ci_low": low,
                    "value_ci_high": high,
                    "top": of_map,
                    "n_cells": len(exact),
                    **one.counts,
                }
            )
    return (
        pd.concat(maps, ignore_index=True)[MAP_COLUMNS]
        if maps
        else pd.DataFrame(columns=MAP_COLUMNS),
        pd.DataFrame(trust, columns=TRUST_COLUMNS),
    )


def compared(
    attributions: pd.DataFrame, scores: pd.DataFrame, segments: pd.DataFrame, options: Options
) -> Iterator[Compared]:
    """Every site's exact map beside that of every method that estimates it."""
    plain = attributions.astype(
        dict.fromkeys(("site", "direction", "role", "sender", "receiver"), object)
    )
    for (site, direction), part in plain.groupby(["site", "direction"], sort=False):
        of_item = scores.set_index(scores["item_id"].astype(object))[BASE_SCORE[str(direction)]]
        base = of_item.loc[part["item_id"].astype(object)].to_numpy()
        for method in ATTRIBUTIONS:
            rows = part[method].notna().to_numpy()
            if not rows.any():
                continue
            own = part[rows]
            number = own.groupby(CELL, sort=False, dropna=False).ngroup()
            cells = own.assign(
                number=number,
                layer=number,
                head=pd.array([pd.NA] * len(own), dtype="Int16"),
                eligible=True,
                known=False,
                restoration=0.0,
            )
            exact, estimate = (
                cluster_sums(
                    item_values(cells.assign(s_patched=base[rows] + own[name]), scores, segments)
                )
                for name in ("exact", method)
            )
            weights = resamples(len(exact.n), options.replicates, options.seed)
            weights = np.concatenate([np.ones((1, len(exact.n))), weights])
            with np.errstate(divide="ignore", invalid="ignore"):
                exact_mean, estimated_mean = (
                    np.nan_to_num((weights @ sums.change) / (weights @ sums.n))
                    for sums in (exact, estimate)
                )
            names = own.assign(number=number).drop_duplicates("number").set_index("number")[CELL]
            inside = own[own["item_id"].isin(segments["item_id"])]
            counts = {
                "n_items": inside["item_id"].nunique(),
                "n_pairs": inside["pair_id"].nunique(),
            }
            yield Compared(
                {"site": site, "direction": direction, "method": method},
                names.loc[exact.cells["layer"]].reset_index(drop=True),
                exact_mean,
                estimated_mean,
                {**counts, "n_clusters": len(exact.n)},
            )


def measures(exact: Means, estimate: Means, top: int) -> dict[str, np.ndarray]:
    """`MEASURES` of every resample."""
    first, second = (rankdata(means, axis=1) for means in (exact, estimate))
    first, second = (ranks - ranks.mean(1, keepdims=True) for ranks in (first, second))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = (first * second).sum(1) / np.sqrt((first**2).sum(1) * (second**2).sum(1))
        moved = np.abs(exact) > ROUNDING
        agreement = ((np.sign(exact) == np.sign(estimate)) & moved).sum(1) / moved.sum(1)
        miss = np.abs(estimate - exact).max(1) / np.abs(exact).max(1)
    highest = [
        np.argsort(-np.abs(means), axis=1, kind="stable")[:, :top] for means in (exact, estimate)
    ]
    shared = (highest[0][:, :, None] == highest[1][:, None]).any(2).mean(1)
    return {
        "rank_correlation": correlation,
        "sign_agreement": agreement,
        "recall": shared,
        "worst_miss": miss,
    }
