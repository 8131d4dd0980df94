"""Agreement: do the maps of two groups of values rank cells alike?

Two maps of the same cells differ because groups differ and because each has few values.  So maps
are compared on disjoint halves of the clusters, between groups and within one: what agreement
within a group falls short of 1 is noise, and what agreement between groups falls short of that is
owed to the groups (Spearman's rho corrected for attenuation would divide the two; both are given).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from negtrace.statistics.effect_sizes import Options
from negtrace.statistics.map_values import CELL, ClusterSums, cluster_sums

AGREEMENT_COLUMNS = ["first", "second", "spearman", "spearman_low", "spearman_high", "n_cells"]
MEAN = "mean"  # in the place of a group: over all groups
HALVES = 200  # random halves at most


def agreement(values: pd.DataFrame, level: str, options: Options) -> pd.DataFrame:
    """Spearman's rho of the maps of every two groups, and of a group with itself.

    Args:
        values: as for `consensus.by_level`.

    Returns:
        `AGREEMENT_COLUMNS`, a row per couple of groups and two that are means over all of them:
        first and second `MEAN` within groups, `MEAN` and "others" between groups.  Limits hold
        `options.level` of the random halves; they describe, and are no confidence interval.
    """
    groups = {
        str(name): cluster_sums(part)
        for name, part in values.groupby(level, observed=True, sort=False)
    }
    groups = _with_common_cells(groups)
    clusters = np.unique(np.concatenate([sums.clusters for sums in groups.values()]))
    rng = np.random.default_rng(options.seed)
    found = []
    for _ in range(min(options.replicates, HALVES)):
        first = rng.permutation(clusters)[: len(clusters) // 2]
        maps = [
            np.stack(
                [_ratios(sums, np.isin(sums.clusters, first) == side) for sums in groups.values()]
            )
            for side in (True, False)
        ]
        rho = spearman(*maps)
        found.append((rho + rho.T) / 2)
    cells = len(next(iter(groups.values())).cells)
    return _table(np.array(found), list(groups), cells, options)


def spearman(
    first: Float[np.ndarray, "groups cells"], second: Float[np.ndarray, "groups cells"]
) -> Float[np.ndarray, "groups groups"]:
    """Rank correlation over cells of every row of the one with every row of the other.

    Null where a row has no variance or a value is null.
    """
    from scipy.stats import rankdata  # takes a second, which those that read `MEAN` alone save

    with np.errstate(invalid="ignore", divide="ignore"):
        ranks = [rankdata(rows, axis=1, nan_policy="propagate") for rows in (first, second)]
        centred = [rows - rows.mean(1, keepdims=True) for rows in ranks]
        unit = [rows / np.sqrt((rows**2).sum(1, keepdims=True)) for rows in centred]
    rho: np.ndarray = unit[0] @ unit[1].T
    return rho


def _with_common_cells(groups: dict[str, ClusterSums]) -> dict[str, ClusterSums]:
    """Every group with the cells that all have and none knows by definition, in one order."""
    keys = {
        name: [tuple(map(str, row)) for row in sums.cells[CELL].to_numpy()]
        for name, sums in groups.items()
    }
    common = set.intersection(
        *(
            {key for key, known in zip(keys[name], sums.by_definition, strict=True) if not known}
            for name, sums in groups.items()
        )
    )
    order = sorted(common)
    return {
        name: sums.of_cells(np.array([keys[name].index(key) for key in order], dtype=int))
        for name, sums in groups.items()
    }


def _ratios(sums: ClusterSums, which: np.ndarray) -> np.ndarray:
    half = sums.of_clusters(which)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: np.ndarray = half.change.sum(0) / half.d.sum(0)
    return ratio


def _table(
    found: Float[np.ndarray, "halves groups groups"], names: list[str], cells: int, options: Options
) -> pd.DataFrame:
    same = np.eye(len(names), dtype=bool)
    rows = [
        (names[a], names[b], found[:, a, b])
        for a in range(len(names))
        for b in range(a, len(names))
    ]
    rows.append((MEAN, MEAN, np.nanmean(found[:, same], axis=1)))
    if len(names) > 1:
        rows.append((MEAN, "others", np.nanmean(found[:, ~same], axis=1)))
    tails = [(1 - options.level) / 2, (1 + options.level) / 2]
    table = [
        (first, second, np.nanmean(rho), *np.nanquantile(rho, tails), cells)
        for first, second, rho in rows
    ]
    return pd.DataFrame(table, columns=AGREEMENT_COLUMNS)
