"""Stability: would other sentences have named the same cells?

Cells are ranked by the ratio of means (`effect_sizes.py`), the highest first, signed; those that
are known by definition have no part in it, because no sentence could change their place.  Three
answers: how far a cell's rank moves when clusters are resampled; how much the k highest of two
resamples overlap; and what cells that were chosen on one half of the clusters do on the other half,
which had no say in the choice.

Rank intervals describe; they are no confidence intervals with a guaranteed coverage, least so
between cells of nearly equal effect (Hall & Miller 2009).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.stats import hypergeom, rankdata

from negtrace.errors import InputError
from negtrace.statistics.effect_sizes import DEFAULTS, TESTS, Options, estimates
from negtrace.statistics.map_values import CELL, MAP, ClusterSums, cluster_sums, item_values, maps
from negtrace.statistics.resampling import resamples
from negtrace.vocabulary import ALL

GROUP = ["negation", "segment"]
RANK_COLUMNS = [*GROUP, *CELL, "ratio", "rank", "rank_ci_low", "rank_ci_high", "n_clusters"]
JACCARD = ["jaccard", "jaccard_ci_low", "jaccard_ci_high", "jaccard_chance"]
OVERLAP_COLUMNS = [*GROUP, *MAP, "k", *JACCARD, "n_cells", "n_clusters"]
TESTED = ["ratio", "ratio_ci_low", "ratio_ci_high", "difference", *TESTS]
HALVES_COLUMNS = [*GROUP, *CELL, "rank", "ratio_chosen", *TESTED, "n_clusters_chosen", "n_clusters"]


def ranks(
    sweep: pd.DataFrame,
    scores: pd.DataFrame,
    segments: pd.DataFrame,
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """Rank of every computed cell within its map, and the interval of its ranks among resamples.

    Args:
        sweep, scores, segments: as for `effect_sizes.effect_map`.

    Returns:
        `RANK_COLUMNS`; rank 1 is the highest ratio, equal ratios share the lower rank number.

    Raises:
        InputError: see `map_values.item_values`.
    """
    parts = []
    for negation, segment, sums in computed_maps(item_values(sweep, scores, segments), segments):
        tails = [(1 - options.level) / 2, (1 + options.level) / 2]
        drawn = descending_ranks(resampled_ratios(sums, options))
        low, high = np.quantile(drawn, tails, axis=0, method="inverted_cdf")
        ratio = ratios(sums)
        parts.append(
            sums.cells.assign(
                negation=negation,
                segment=segment,
                ratio=ratio,
                rank=descending_ranks(ratio[None])[0],
                rank_ci_low=low,
                rank_ci_high=high,
                n_clusters=len(sums.clusters),
            )
        )
    return joined(parts, RANK_COLUMNS)


def overlap(
    sweep: pd.DataFrame,
    scores: pd.DataFrame,
    segments: pd.DataFrame,
    ks: Sequence[int] = (1, 3, 5, 10),
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """Jaccard index |A and B| / |A or B| of the k highest cells of two resamples of the clusters.

    Two resamples of one study differ about as much as two studies would.

    Args:
        sweep, scores, segments: as for `effect_sizes.effect_map`.
        ks: sizes of the sets; those as large as the map (of computed cells) are left out.

    Returns:
        `OVERLAP_COLUMNS`: mean over ``options.replicates`` / 2 couples of resamples, with the
        limits that hold `options.level` of them, and what sets drawn by chance would have.

    Raises:
        InputError: a k below 1; see also `map_values.item_values`.
    """
    check_size(min(ks))
    tails = [(1 - options.level) / 2, (1 + options.level) / 2]
    rows = []
    for negation, segment, sums in computed_maps(item_values(sweep, scores, segments), segments):
        drawn = resampled_ratios(sums, options)
        cells = len(sums.cells)
        for k in (k for k in ks if k < cells):
            found = jaccard(highest(drawn, k))
            low, high = np.quantile(found, tails)
            row = (found.mean(), low, high, jaccard_by_chance(cells, k), cells, len(sums.clusters))
            rows.append((negation, segment, *sums.cells.loc[0, MAP], k, *row))
    return pd.DataFrame(rows, columns=OVERLAP_COLUMNS)


def split_halves(
    sweep: pd.DataFrame,
    scores: pd.DataFrame,
    segments: pd.DataFrame,
    k: int = 5,
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """Choose the k highest cells on one half of the clusters, and test them on the other.

    The halves are drawn once for all groups, by a shuffle with the seed.  `p_fwer` and `q_fdr`
    correct for the k cells that were tested; they are null in segments, which are chosen by d.

    Args:
        sweep, scores, segments: as for `effect_sizes.effect_map`.
        k: how many cells of each map.

    Returns:
        `HALVES_COLUMNS`: rank and ratio in the choosing half (`ratio_chosen`), estimates and tests
        of the other.  Maps that have no cluster in one of the halves are left out.

    Raises:
        InputError: k below 1; see also `map_values.item_values`.
    """
    check_size(k)
    values = item_values(sweep, scores, segments)
    first = half_of(values["cluster_id"], options.seed)
    parts = []
    for negation, segment, sums in computed_maps(values, segments):
        chooses = np.isin(sums.clusters, first)
        if chooses.all() or not chooses.any():
            continue
        choosing, testing = sums.of_clusters(chooses), sums.of_clusters(~chooses)
        ratio = ratios(choosing)
        chosen = np.argsort(-sortable(ratio), kind="stable")[:k]
        tested = testing.of_cells(chosen)
        parts.append(
            pd.concat(
                [tested.cells, estimates(tested, options, segment == ALL)[TESTED]], axis=1
            ).assign(
                negation=negation,
                segment=segment,
                rank=np.arange(1, len(chosen) + 1),
                ratio_chosen=ratio[chosen],
                n_clusters_chosen=len(choosing.clusters),
                n_clusters=len(testing.clusters),
            )
        )
    return joined(parts, HALVES_COLUMNS)


def computed_maps(
    values: pd.DataFrame, segments: pd.DataFrame
) -> Iterator[tuple[str, str, ClusterSums]]:
    """(negation, segment, sums) of every map, without the cells that are known by definition."""
    for negation, segment, part in maps(values, segments):
        sums = cluster_sums(part)
        computed = sums.of_cells(~sums.by_definition)
        if len(computed.cells):
            yield negation, segment, computed


def half_of(cluster_ids: pd.Series, seed: int) -> np.ndarray:
    """Half of the distinct clusters, by a shuffle that does not depend on their order."""
    clusters = np.sort(cluster_ids.unique().astype(object))
    return np.random.default_rng(seed).permutation(clusters)[: len(clusters) // 2]


def ratios(sums: ClusterSums) -> Float[np.ndarray, " cells"]:
    return fraction(sums.change.sum(0), sums.d.sum(0))


def resampled_ratios(sums: ClusterSums, options: Options) -> Float[np.ndarray, "replicates cells"]:
    """The ratio of every cell in every resample of the map's clusters, the same for all cells."""
    weights = resamples(len(sums.clusters), options.replicates, options.seed)
    return fraction(weights @ sums.change, weights @ sums.d)


def fraction(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient: np.ndarray = numerator / denominator
        return quotient


def sortable(ratio: np.ndarray) -> np.ndarray:
    """Cells that no cluster of a resample has come last."""
    return np.where(np.isnan(ratio), -np.inf, ratio)


def descending_ranks(
    ratio: Float[np.ndarray, "replicates cells"],
) -> Int[np.ndarray, "replicates cells"]:
    from_best: np.ndarray = rankdata(-sortable(ratio), method="min", axis=1)
    return from_best.astype(int)


def highest(
    ratio: Float[np.ndarray, "replicates cells"], k: int
) -> Bool[np.ndarray, "replicates cells"]:
    """Whether a cell is among the k highest; of equal ones the first."""
    order = np.argsort(-sortable(ratio), axis=1, kind="stable")[:, :k]
    chosen = np.zeros(ratio.shape, dtype=bool)
    np.put_along_axis(chosen, order, True, axis=1)
    return chosen


def jaccard(chosen: Bool[np.ndarray, "replicates cells"]) -> Float[np.ndarray, " couples"]:
    """Jaccard index of rows 0 and 1, 2 and 3, and so on."""
    couples = len(chosen) // 2
    a, b = chosen[0 : 2 * couples : 2], chosen[1 : 2 * couples : 2]
    common: np.ndarray = (a & b).sum(1) / (a | b).sum(1)
    return common


def jaccard_by_chance(cells: int, k: int) -> float:
    """Expected index of two independent sets of k out of a number of cells."""
    common = np.arange(k + 1)
    return float(hypergeom(cells, k, k).pmf(common) @ (common / (2 * k - common)))


def check_size(k: int) -> None:
    if k < 1:
        raise InputError(f"statistics: the {k} highest cells: use 1 or more")


def joined(parts: Sequence[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """One table with the columns in order; empty if there is no map."""
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts, ignore_index=True)[columns]
