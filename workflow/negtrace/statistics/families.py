"""Families: one correction for all maps of a model.

A study asks the same clusters many questions: sites, directions, caption and foil items.  max-T
over all of them (Westfall & Young 1993) needs the joint distribution of their statistics: a cluster
keeps one sign in every map (`resampling.sign_flip_tests` does the same within one).  Clusters of
other wordings or datasets get signs of their own; where they depend on these all the same (two
wordings of one item), that corrects for too much rather than too little (Sidak 1967).

Only maps over all items belong to it (see `effect_sizes.py`), and no cell that is known by
definition.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from negtrace.statistics.effect_sizes import DEFAULTS, Options
from negtrace.statistics.map_values import (
    CELL,
    ROUNDING,
    ClusterSums,
    cluster_sums,
    item_values,
    maps,
)
from negtrace.statistics.resampling import TIE, random_signs
from negtrace.vocabulary import ALL

COLUMNS = ["sweep", "negation", *CELL, "p_study"]


def study_tests(
    sweeps: Iterable[tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]], options: Options = DEFAULTS
) -> pd.DataFrame:
    """p-values of every cell, corrected over all maps of a model.

    Args:
        sweeps: (sweep, scores, segments) of each site, direction, wording and dataset of one model.

    Returns:
        `COLUMNS` over all items: sweep is the place in `sweeps`, from 0; p_study is null where the
        cell is known.

    Raises:
        InputError: see `map_values.item_values`.
    """
    labels: list[dict[str, Any]] = []
    sums: list[ClusterSums] = []
    for number, (sweep, scores, segments) in enumerate(sweeps):
        for negation, segment, part in maps(item_values(sweep, scores, segments), segments):
            if segment == ALL:
                sums.append(cluster_sums(part))
                labels.append({"sweep": number, "negation": negation})
    found = joint_p(sums, options)
    tables = [
        one.cells.assign(**label, p_study=p)
        for one, label, p in zip(sums, labels, found, strict=True)
    ]
    if not tables:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def joint_p(sums: Sequence[ClusterSums], options: Options) -> list[Float[np.ndarray, " cells"]]:
    """Two-sided p-values of the change of every cell, by max-T over the cells of all maps.

    Returns:
        p of each map's cells; 1 where no patch changed anything, null where known by definition.
    """
    clusters = np.unique(np.concatenate([one.clusters for one in sums])) if sums else np.array([])
    signs = random_signs(len(clusters), options.flips, options.seed)
    largest = np.zeros(options.flips)
    observed = []
    for one in sums:
        tested = ~one.by_definition & (np.abs(one.change) > ROUNDING).any(axis=0)
        change = one.change[:, tested]
        scaled = change / np.sqrt((change**2).sum(0))
        rows = np.searchsorted(clusters, one.clusters)
        flipped = np.abs(signs[:, rows] @ scaled)
        largest = np.maximum(largest, flipped.max(axis=1, initial=0))
        statistic = np.where(one.by_definition, np.nan, 0.0)
        statistic[tested] = np.abs(scaled.sum(0)) - TIE
        observed.append(statistic)
    largest.sort()
    return [
        np.where(
            np.isnan(statistic),
            np.nan,
            (1 + options.flips - np.searchsorted(largest, statistic)) / (1 + options.flips),
        )
        for statistic in observed
    ]
