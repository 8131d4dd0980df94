"""Statistics: intervals and tests over clusters, for all cells of a map at once.

Items of a cluster (`clusters.py`) have sentences in common and are not independent, so clusters are
what is resampled and whose signs are flipped.  Every quantity is a ratio of two sums over
clusters (a mean is one with counts below), which makes a bootstrap of a whole map two matrix
products: weights [replicates, clusters] @ sums [clusters, cells].

Intervals are of three kinds: ``percentile`` and ``bca`` read limits off resampled clusters, and
``flip`` inverts the test by sign flips.  Shares of rare events have one of their own, because all
three have no width where nothing happened.  docs/calibration.md has the coverage of each.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import betaincinv, ndtr, ndtri

Method = Literal["percentile", "bca", "flip"]

# Two statistics are equal if they differ by less: sums in another order round differently.
TIE = 1e-9


class Interval(NamedTuple):
    """Confidence limits [cells]; NaN where there is no interval."""

    low: np.ndarray
    high: np.ndarray


class Tests(NamedTuple):
    """Two-sided p-values of every cell [cells]."""

    p: np.ndarray  # of the cell alone
    p_fwer: np.ndarray  # adjusted for the family-wise error over the map
    q_fdr: np.ndarray  # adjusted for the false discovery rate over the map


def resamples(
    clusters: int, replicates: int, seed: int
) -> Float[np.ndarray, "replicates clusters"]:
    """How often each cluster is drawn in each bootstrap sample (Davison & Hinkley 1997, 3.8)."""
    drawn = np.random.default_rng(seed).integers(clusters, size=(replicates, clusters))
    places = drawn + clusters * np.arange(replicates)[:, None]
    counts = np.bincount(places.ravel(), minlength=places.size)
    return counts.reshape(places.shape).astype(float)


def random_signs(
    clusters: int, replicates: int, seed: int
) -> Float[np.ndarray, "replicates clusters"]:
    """1 or -1 for each cluster, with equal chances."""
    rng = np.random.default_rng(seed)
    return 2.0 * rng.integers(0, 2, size=(replicates, clusters), dtype=np.int8) - 1


def bootstrap_interval(
    numerator: Float[np.ndarray, "clusters cells"],
    denominator: Float[np.ndarray, "clusters cells"],
    weights: Float[np.ndarray, "replicates clusters"],
    level: float = 0.95,
    method: Literal["percentile", "bca"] = "percentile",
) -> Interval:
    """Cluster-bootstrap interval of sum(numerator) / sum(denominator).

    ``bca`` corrects for bias and skewness (Efron 1987), with the acceleration from the jackknife
    over clusters.  A ratio whose denominator may well be 0 has no bounded interval (Fieller 1954):
    limits are NaN where the denominator's own interval reaches 0.

    Args:
        numerator, denominator: sums over each cluster's items.
        weights: `resamples` of the clusters.
    """
    below = weights @ denominator
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = (weights @ numerator) / below
        estimate = numerator.sum(0) / denominator.sum(0)
    tails = np.array([[(1 - level) / 2], [(1 + level) / 2]])
    bounded = (below * denominator.sum(0) <= 0).mean(0) < tails[0]
    probabilities = np.broadcast_to(tails, (2, drawn.shape[1]))
    if method == "bca":
        probabilities = _bca_probabilities(drawn, estimate, numerator, denominator, tails)
    limits = _quantiles(drawn, probabilities)
    limits[:, ~(bounded & np.isfinite(drawn).all(0))] = np.nan
    return Interval(*limits)


def flip_interval(
    numerator: Float[np.ndarray, "clusters cells"],
    denominator: Float[np.ndarray, "clusters cells"],
    signs: Float[np.ndarray, "replicates clusters"],
    level: float = 0.95,
) -> Interval:
    """Interval of r = sum(numerator) / sum(denominator): all r that sign flips do not reject.

    By the statistic of `sign_flip_tests`, of v = numerator - r denominator: r is kept while
    |sum(v)| <= q sqrt(sum(v**2)), a quadratic inequality (Fieller 1954, with clusters for
    observations).  q is the flipped statistic's quantile at the estimate, where v sums to 0.
    Limits are NaN where the kept values are not bounded: the denominator may well be 0.

    Args:
        numerator, denominator: sums over each cluster's items.
        signs: `random_signs` of the clusters.
    """
    total = denominator.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = numerator.sum(0) / total
        rest = numerator - estimate * denominator
        reach = np.quantile(np.abs(signs @ rest), level, axis=0) ** 2
        q2 = np.nan_to_num(reach / (rest**2).sum(0))  # 0 / 0: the same ratio in every cluster
        slope = q2 * (rest * denominator).sum(0)
        curve = total**2 - q2 * (denominator**2).sum(0)
        root = np.sqrt(slope**2 + curve * reach)
        low, high = estimate - (slope + root) / curve, estimate + (root - slope) / curve
    bounded = curve > 0
    return Interval(np.where(bounded, low, np.nan), np.where(bounded, high, np.nan))


def share_interval(
    events: Float[np.ndarray, "clusters cells"],
    values: Float[np.ndarray, "clusters cells"],
    level: float = 0.95,
) -> Interval:
    """Interval of the share sum(events) / sum(values) of values at which something happened.

    Clopper and Pearson's (1934) at the effective number of values, sum(values) / deff (Korn &
    Graubard 1998), with Kish's deff = 1 + (m - 1) rho, m being the size of the cluster of an
    average value.  rho, the correlation of two values of a cluster, is estimated from clusters of
    several values, each with the square root of its number of couples for weight, as if there were
    one more cluster all of whose values are equal: where nothing happened nothing is known of rho,
    and it is taken for 1.  Limits are NaN for cells without a value.

    Args:
        events: how many of each cluster's values it happened at.
        values: how many values each cluster has.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        total = values.sum(0)
        share = events.sum(0) / total
        size = (values**2).sum(0) / total
        couples = values * (values - 1)
        weight = np.where(couples > 0, couples, np.inf) ** -0.5
        alone = events * (1 - share) ** 2 + (values - events) * share**2
        common = ((events - values * share) ** 2 - alone) * weight
        rho = common.sum(0) / (share * (1 - share) * (couples * weight).sum(0))
        several = couples > 0
        telling = np.minimum((several & (events > 0)).sum(0), (several & (events < values)).sum(0))
        rho = np.clip((telling * np.nan_to_num(rho) + 1) / (telling + 1), 0, 1)
        effective = total / (1 + (size - 1) * rho)
        happened = share * effective
        tail = (1 - level) / 2
        low = np.where(share > 0, betaincinv(happened, effective - happened + 1, tail), 0)
        high = np.where(share < 1, betaincinv(happened + 1, effective - happened, 1 - tail), 1)
    defined = total > 0
    return Interval(np.where(defined, low, np.nan), np.where(defined, high, np.nan))


def effective_number(values: Float[np.ndarray, "clusters cells"]) -> Float[np.ndarray, " cells"]:
    """How many clusters of equal size are as good as these: sum(n)**2 / sum(n**2) (Kish 1965).

    Args:
        values: size of each cluster; one that a cell does not have has size 0.
    """
    effective: np.ndarray = values.sum(0) ** 2 / (values**2).sum(0)
    return effective


def _quantiles(
    drawn: Float[np.ndarray, "replicates cells"], probabilities: Float[np.ndarray, "k cells"]
) -> Float[np.ndarray, "k cells"]:
    """Quantiles at probabilities that differ by cell, interpolated linearly."""
    ordered = np.sort(drawn, axis=0)
    place = probabilities * (len(drawn) - 1)
    lower = np.floor(place).astype(int)
    upper = np.ceil(place).astype(int)
    low, high = (np.take_along_axis(ordered, at, axis=0) for at in (lower, upper))
    between: np.ndarray = low + (place - lower) * (high - low)
    return between


def _bca_probabilities(
    drawn: Float[np.ndarray, "replicates cells"],
    estimate: Float[np.ndarray, " cells"],
    numerator: Float[np.ndarray, "clusters cells"],
    denominator: Float[np.ndarray, "clusters cells"],
    tails: Float[np.ndarray, "2 1"],
) -> Float[np.ndarray, "2 cells"]:
    """Where among the ordered resamples the limits of a BCa interval lie."""
    # Ties count half, so that a discrete quantity is not taken for a biased one.
    share = (drawn < estimate).mean(0) + 0.5 * (drawn == estimate).mean(0)
    smallest = 0.5 / len(drawn)
    bias = ndtri(np.clip(share, smallest, 1 - smallest))
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = (numerator.sum(0) - numerator) / (denominator.sum(0) - denominator)
        pull = left_out.mean(0) - left_out
        acceleration = (pull**3).sum(0) / (6 * (pull**2).sum(0) ** 1.5)
    acceleration = np.nan_to_num(acceleration)  # 0 / 0: a quantity that no cluster changes
    z = bias + ndtri(tails)
    adjusted: np.ndarray = ndtr(bias + z / (1 - acceleration * z))
    return adjusted


def sign_flip_tests(
    values: Float[np.ndarray, "clusters cells"],
    replicates: int = 10_000,
    seed: int = 0,
    tolerance: float = 0.0,
) -> Tests:
    """Tests of every cell against "no effect on average", by flipping the signs of clusters.

    The statistic is |sum| / sqrt(sum of squares), a monotone function of |t| that stays finite
    and comparable between cells with few and with many clusters.  A cluster keeps one sign in all
    cells, so the cells' correlation is kept (Winkler et al. 2014, section 2.5).  `p_fwer` compares
    with the largest statistic of the map (max-T, Westfall & Young 1993), `q_fdr` is Benjamini &
    Hochberg's.  p = (1 + exceedances) / (1 + replicates), at least about 2 / 2**clusters.

    Exact if sums are symmetric about 0 under the hypothesis; else, being studentised, valid for
    many clusters (Janssen 1999).

    Args:
        values: sum over each cluster's items; 0 where a cluster has no such cell.
        replicates: random sign patterns.
        tolerance: sums of this size or less are rounding.  A cell with nothing larger was not
            changed by any patch: its p-values are 1, and it counts in no correction.
    """
    from scipy.stats import false_discovery_control  # takes a second, which most jobs save

    changed = (np.abs(values) > tolerance).any(axis=0)
    p, p_fwer, q_fdr = np.ones((3, values.shape[1]))
    if not changed.any():
        return Tests(p, p_fwer, q_fdr)
    scaled = values[:, changed] / np.sqrt((values[:, changed] ** 2).sum(0))
    observed = np.abs(scaled.sum(0)) - TIE
    flipped = np.abs(random_signs(len(values), replicates, seed) @ scaled)
    p[changed] = (1 + (flipped >= observed).sum(0)) / (1 + replicates)
    largest = np.sort(flipped.max(axis=1))
    p_fwer[changed] = (1 + replicates - np.searchsorted(largest, observed)) / (1 + replicates)
    q_fdr[changed] = false_discovery_control(p[changed])
    return Tests(p, p_fwer, q_fdr)
