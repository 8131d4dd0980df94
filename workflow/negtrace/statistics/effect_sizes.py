"""Effect sizes of a patching map: four definitions, with intervals and tests.

A value is one patched token of one item.  Its *change* is S_patched - S_base, oriented: multiplied
by -1 where the source sentence is the item's foil.  Oriented in the same way, S_source - S_base is
d = S(caption) - S(foil), in both directions and wherever the negation is; without it, items with
the negation in the caption and in the foil would cancel.  The sign follows from how the item is
made, never from its scores: turned by the sign of d itself, mere regression of the scores to their
mean would pass for an effect.

    ratio       sum(change) / sum(d), the ratio of means; items with d near 0 cannot dominate it
    mean        mean of R = change / d, the mean of ratios (the paper's CTE)
    difference  mean of change, in logits: what the cell adds to the model's margin d
    flip_rate   share of values that take d's sign away: with the patched sentence's score in
                place of the base sentence's, d becomes d - change, whose sign (1, -1, or 0 for a
                tie up to rounding) is another one.  That is where R >= 1; R = 1 is a tie.

As in `groups.restoration_map`, a role that covers several tokens of an item enters with each of
them.  Intervals and tests resample and flip clusters (`clusters.py`); the family of the corrected
p-values is one map: all cells of a site and direction in one group of items that are not known by
definition (`families.py` corrects for all maps of a model).

Findings rest on the rows over all items.  A segment is a selection on d, which has noise in common
with every change and is the ratio's denominator: a patched score that has nothing to do with either
sentence passes for a restoration of about one half there, and for a significant one
(docs/calibration.md).  Rows of a segment describe it, as the paper does, and have no tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, get_args

import numpy as np
import pandas as pd

from negtrace.errors import InputError
from negtrace.statistics.clusters import FEW_CLUSTERS, FEWEST_CLUSTERS
from negtrace.statistics.map_values import (
    CELL,
    ENDS,
    ROUNDING,
    SUPPORT,
    ClusterSums,
    by_cell,
    cluster_sums,
    item_values,
    maps,
    support,
)
from negtrace.statistics.resampling import (
    Interval,
    Method,
    Tests,
    bootstrap_interval,
    effective_number,
    flip_interval,
    random_signs,
    resamples,
    share_interval,
    sign_flip_tests,
)
from negtrace.vocabulary import ALL, EFFECTS

ESTIMATES = tuple(EFFECTS)
TESTS = ["p", "p_fwer", "q_fdr"]


@dataclass(frozen=True)
class Options:
    """How intervals and tests are computed.

    Attributes:
        replicates: resamples of the clusters (or sign patterns) behind an interval.
        flips: random sign patterns of the tests; p is at least 1 / (1 + flips).
        level: confidence level of the intervals.
        method: ``flip``, ``percentile`` or ``bca`` (`resampling.py`).
        seed: of resamples and signs; the same in every group and site, so that maps of the same
            clusters are resampled alike.

    Raises:
        InputError: a value is out of range.
    """

    replicates: int = 2000
    flips: int = 10_000
    level: float = 0.95
    method: Method = "flip"
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.replicates, self.flips) < 1:
            raise InputError(
                f"statistics: replicates {self.replicates}, flips {self.flips}: use 1 or more"
            )
        if not 0 < self.level < 1:
            raise InputError(f"statistics: level {self.level}: use a share, such as 0.95")
        if self.method not in get_args(Method):
            raise InputError(
                f"statistics: method {self.method!r}: choose one of {', '.join(get_args(Method))}"
            )


DEFAULTS = Options()

# Numerator and denominator [clusters, cells] by name.
Fractions: TypeAlias = dict[str, tuple[np.ndarray, np.ndarray]]


def effect_map(
    sweep: pd.DataFrame,
    scores: pd.DataFrame,
    segments: pd.DataFrame,
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """Effect sizes of every cell, within every group of items.

    `mean`, `sd` and `n` are those of `groups.restoration_map`.

    Args:
        sweep, scores: tables of those names, of one model and wording.
        segments: table ``segments``; items that are not in it are left out.

    Returns:
        columns negation, segment, `CELL`; each of `ESTIMATES` with its `_ci_low` and `_ci_high`
        (null with fewer than 6 clusters, and for a ratio whose denominator may be 0 or is made by
        one cluster); sd of R; p, p_fwer, q_fdr (of `difference` against 0; null in segments and
        where `known`, i.e. where every value follows from the definitions); n (values), n_items,
        n_pairs, n_clusters, n_effective (clusters of equal size that are worth as much) and
        few_clusters (fewer than `FEW_CLUSTERS` of them).

    Raises:
        InputError: see `item_values`.
    """
    parts = []
    for negation, segment, part in maps(item_values(sweep, scores, segments), segments):
        sums = cluster_sums(part)
        found = estimates(sums, options, segment == ALL)
        table = pd.concat([sums.cells, found, support(part)], axis=1)
        effective = effective_number(sums.n)
        parts.append(
            table.assign(
                negation=negation,
                segment=segment,
                known=sums.by_definition,
                sd=by_cell(part)["restoration"].std().to_numpy(),
                n_effective=effective,
                few_clusters=effective < FEW_CLUSTERS,
            )
        )
    limits = [f"{name}{end}" for name in ESTIMATES for end in ENDS]
    counted = ["n", *SUPPORT, "n_effective", "few_clusters"]
    columns = ["negation", "segment", *CELL, "known", *limits, "sd", *TESTS, *counted]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def fractions(sums: ClusterSums) -> Fractions:
    """Numerator and denominator of each of `ESTIMATES` [clusters, cells]."""
    return {
        "ratio": (sums.change, sums.d),
        "mean": (sums.restoration, sums.n),
        "difference": (sums.change, sums.n),
        "flip_rate": (sums.flipped, sums.n),
    }


def estimates(sums: ClusterSums, options: Options, tested: bool) -> pd.DataFrame:
    """`ESTIMATES` with their limits, and `TESTS`, null unless wanted; a row per cell."""
    columns = with_limits(fractions(sums), sums.n > 0, options)
    tests = cell_tests(sums, options)._asdict() if tested else dict.fromkeys(TESTS, np.nan)
    return pd.DataFrame(columns | tests)


def with_limits(fractions: Fractions, there: np.ndarray, options: Options) -> dict[str, np.ndarray]:
    """Ratios of sums by cell, each followed by its lower and upper limit."""
    columns = {}
    limits = intervals(fractions, there, options)
    for name, (numerator, denominator) in fractions.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            columns[name] = numerator.sum(0) / denominator.sum(0)
        columns[f"{name}_ci_low"], columns[f"{name}_ci_high"] = limits[name]
    return columns


def cell_tests(sums: ClusterSums, options: Options) -> Tests:
    """Of the change against 0, within one map; null for cells that are known by definition."""
    found = np.full((len(TESTS), len(sums.cells)), np.nan)
    unknown = ~sums.by_definition
    found[:, unknown] = sign_flip_tests(
        sums.change[:, unknown], options.flips, options.seed, ROUNDING
    )
    return Tests(*found)


def intervals(fractions: Fractions, there: np.ndarray, options: Options) -> dict[str, Interval]:
    """Limits of ratios of sums; null for cells with fewer than `FEWEST_CLUSTERS` clusters.

    Cells that the same clusters have are resampled together, each resample with as many clusters
    as have the cell.

    Args:
        there: whether a cluster has a cell [clusters, cells].
    """
    limits = {name: np.full((2, there.shape[1]), np.nan) for name in fractions}
    patterns, pattern_of = np.unique(there, axis=1, return_inverse=True)
    for number, clusters in enumerate(patterns.T):
        if clusters.sum() < FEWEST_CLUSTERS:
            continue
        cells = np.flatnonzero(pattern_of == number)
        interval = interval_of(int(clusters.sum()), options)
        for name, both in fractions.items():
            numerator, denominator = (part[clusters][:, cells] for part in both)
            if name == "flip_rate":
                found = share_interval(numerator, denominator, options.level)
            else:
                found = interval(numerator, denominator)
            limits[name][:, cells] = found
    return {name: Interval(*both) for name, both in limits.items()}


def interval_of(clusters: int, options: Options) -> Callable[[np.ndarray, np.ndarray], Interval]:
    """Numerator and denominator -> interval, with the same resamples at every call."""
    if options.method == "flip":
        signs = random_signs(clusters, options.replicates, options.seed)
        return partial(flip_interval, signs=signs, level=options.level)
    weights = resamples(clusters, options.replicates, options.seed)
    return partial(bootstrap_interval, weights=weights, level=options.level, method=options.method)
