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

As in `effects.restoration_map`, a role that covers several tokens of an item enters with each of
them.  Intervals and tests resample and flip distinct pairs (`statistics.py`); the family of the
corrected p-values is one map: all cells of a site and direction in one group of items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd

from negtrace.errors import InputError
from negtrace.statistics.groups import groups
from negtrace.statistics.resampling import (
    Interval,
    Method,
    bootstrap_interval,
    flip_interval,
    random_signs,
    resamples,
    sign_flip_tests,
)
from negtrace.vocabulary import BASE_OF, EFFECTS

MAP = ["site", "direction"]
CELL = [*MAP, "layer", "head", "role"]
ESTIMATES = tuple(EFFECTS)
TESTS = ["p", "p_fwer", "q_fdr"]

# Column of the base sentence's score, by direction.
BASE_SCORE = {direction: f"s_{base}" for direction, base in BASE_OF.items()}

# Logits that rounding can move a score by in float32, whatever the batch sizes.
ROUNDING = 1e-4

# With fewer pairs no test reaches p = 0.05 (2 / 2**5 > 0.05), and resamples repeat themselves.
FEWEST_PAIRS = 6


@dataclass(frozen=True)
class Options:
    """How intervals and tests are computed.

    Attributes:
        replicates: resamples of the pairs (or sign patterns) behind an interval.
        flips: random sign patterns of the tests; p is at least 1 / (1 + flips).
        level: confidence level of the intervals.
        method: ``flip``, ``percentile`` or ``bca`` (`statistics.py`).
        seed: of resamples and signs; the same in every group and site, so that maps of the same
            pairs are resampled alike.

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


class PairSums(NamedTuple):
    """Sums over the values of each pair [pairs, cells]: all that intervals and tests need."""

    pairs: np.ndarray  # pair_id [pairs]
    cells: pd.DataFrame  # the columns CELL, a row per cell
    n: np.ndarray  # values
    change: np.ndarray
    d: np.ndarray
    restoration: np.ndarray
    flipped: np.ndarray

    def of_pairs(self, which: np.ndarray) -> PairSums:
        return PairSums(self.pairs[which], self.cells, *(table[which] for table in self[2:]))

    def of_cells(self, which: np.ndarray) -> PairSums:
        cells = self.cells.iloc[which].reset_index(drop=True)
        return PairSums(self.pairs, cells, *(table[:, which] for table in self[2:]))

    @property
    def fractions(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Numerator and denominator of each of `ESTIMATES` [pairs, cells]."""
        return {
            "ratio": (self.change, self.d),
            "mean": (self.restoration, self.n),
            "difference": (self.change, self.n),
            "flip_rate": (self.flipped, self.n),
        }


def effect_map(
    sweep: pd.DataFrame,
    scores: pd.DataFrame,
    segments: pd.DataFrame,
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """Effect sizes of every cell, within every group of items.

    `mean`, `sd` and `n` are those of `effects.restoration_map`.

    Args:
        sweep, scores: tables of those names, of one model and wording.
        segments: table ``segments``; items that are not in it are left out.

    Returns:
        columns negation, segment, `CELL`; each of `ESTIMATES` with its `_ci_low` and `_ci_high`
        (null with fewer than 6 pairs, and for a ratio whose denominator may be 0); sd of R; p,
        p_fwer, q_fdr (of `difference` against 0); n (values), n_items, n_pairs.

    Raises:
        InputError: see `item_values`.
    """
    parts = []
    for negation, segment, part in maps(item_values(sweep, scores, segments), segments):
        sums = pair_sums(part)
        counts = by_cell(part).agg(
            sd=("restoration", "std"),
            n=("restoration", "size"),
            n_items=("item_id", "nunique"),
            n_pairs=("pair_id", "nunique"),
        )
        table = pd.concat(
            [sums.cells, estimates(sums, options), counts.reset_index(drop=True)], axis=1
        )
        parts.append(table.assign(negation=negation, segment=segment))
    limits = [f"{name}{end}" for name in ESTIMATES for end in ("", "_ci_low", "_ci_high")]
    columns = ["negation", "segment", *CELL, *limits, "sd", *TESTS, "n", "n_items", "n_pairs"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def item_values(sweep: pd.DataFrame, scores: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """The values that enter a map: eligible cells of the items in `segments` that have an R.

    Returns:
        item_id, pair_id, `CELL`, restoration, change, d (logits), flipped (0 or 1).

    Raises:
        InputError: `scores` lacks an item or has it twice, or there is no such direction.
    """
    inside = sweep["item_id"].isin(segments["item_id"])
    rows = sweep[sweep["eligible"] & inside & sweep["restoration"].notna()]
    unknown = set(rows["direction"]) - set(BASE_SCORE)
    if unknown:
        raise InputError(
            f"sweep: direction {unknown.pop()!r} does not exist; use {' or '.join(BASE_SCORE)}"
        )
    of_item = scores.iloc[_rows_of(scores, rows["item_id"])]
    negate = (rows["direction"] == "negate").to_numpy()
    source_is_caption = negate == (of_item["negation"] == "caption").to_numpy()
    s_base = np.where(negate, of_item[BASE_SCORE["negate"]], of_item[BASE_SCORE["affirm"]])
    change = (rows["s_patched"].to_numpy() - s_base) * np.where(source_is_caption, 1.0, -1.0)
    d = of_item["d"].to_numpy()
    return rows[["item_id", "pair_id", *CELL, "restoration"]].assign(
        change=change, d=d, flipped=(_sign(d) != _sign(d - change)).astype(float)
    )


def _rows_of(scores: pd.DataFrame, item_ids: pd.Series) -> np.ndarray:
    """Row of `scores` that each item stands in."""
    known = pd.Index(scores["item_id"].astype(object))
    if known.has_duplicates:
        twice = known[known.duplicated()][0]
        raise InputError(f"scores: item {twice} has several rows; pass one model and wording")
    found: np.ndarray = known.get_indexer(item_ids.astype(object))
    if (found < 0).any():
        missing = item_ids.iloc[int(np.argmin(found))]
        raise InputError(f"scores: no row for item {missing} of the sweep; compute both again")
    return found


def _sign(d: np.ndarray) -> np.ndarray:
    sign: np.ndarray = np.sign(d) * (np.abs(d) > ROUNDING)
    return sign


def maps(values: pd.DataFrame, segments: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(negation, segment, values) of every map: each group of items, site and direction."""
    for negation, segment, items in groups(segments):
        inside = values[values["item_id"].isin(items["item_id"])]
        for _, part in inside.groupby(MAP, observed=True, sort=False):
            yield negation, segment, part


def by_cell(part: pd.DataFrame) -> Any:
    return part.groupby(CELL, observed=True, dropna=False, sort=False)


def pair_sums(part: pd.DataFrame) -> PairSums:
    """Sum the values of a map by pair (sorted) and cell (in order of first appearance)."""
    grouped = by_cell(part)
    pair, pairs = pd.factorize(part["pair_id"].astype(object), sort=True)
    shape = (len(pairs), grouped.ngroups)
    at = pair * shape[1] + grouped.ngroup().to_numpy()

    def total(column: str) -> np.ndarray:
        return np.bincount(at, part[column], minlength=shape[0] * shape[1]).reshape(shape)

    n = np.bincount(at, minlength=shape[0] * shape[1]).reshape(shape).astype(float)
    cells = part[CELL].drop_duplicates().reset_index(drop=True)
    columns = ("change", "d", "restoration", "flipped")
    return PairSums(np.asarray(pairs), cells, n, *map(total, columns))


def estimates(sums: PairSums, options: Options) -> pd.DataFrame:
    """`ESTIMATES` with their limits, and `TESTS`; a row per cell."""
    columns = {}
    for name, (numerator, denominator) in sums.fractions.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            columns[name] = numerator.sum(0) / denominator.sum(0)
    for name, limits in intervals(sums, options).items():
        columns[f"{name}_ci_low"], columns[f"{name}_ci_high"] = limits
    tests = sign_flip_tests(sums.change, options.flips, options.seed, ROUNDING)
    return pd.DataFrame(columns | tests._asdict())


def intervals(sums: PairSums, options: Options) -> dict[str, Interval]:
    """Limits of `ESTIMATES`; null for cells with fewer than `FEWEST_PAIRS` pairs.

    Cells that the same pairs have are resampled together, each resample with as many pairs as
    have the cell.
    """
    limits = {name: np.full((2, len(sums.cells)), np.nan) for name in ESTIMATES}
    patterns, pattern_of = np.unique(sums.n > 0, axis=1, return_inverse=True)
    for number, pairs in enumerate(patterns.T):
        if pairs.sum() < FEWEST_PAIRS:
            continue
        cells = np.flatnonzero(pattern_of == number)
        interval = interval_of(int(pairs.sum()), options)
        for name, fraction in sums.of_pairs(pairs).of_cells(cells).fractions.items():
            limits[name][:, cells] = interval(*fraction)
    limits["flip_rate"] = limits["flip_rate"].clip(0, 1)  # of method flip; resamples stay inside
    return {name: Interval(*both) for name, both in limits.items()}


def interval_of(pairs: int, options: Options) -> Callable[[np.ndarray, np.ndarray], Interval]:
    """Numerator and denominator -> interval, with the same resamples at every call."""
    if options.method == "flip":
        signs = random_signs(pairs, options.replicates, options.seed)
        return partial(flip_interval, signs=signs, level=options.level)
    weights = resamples(pairs, options.replicates, options.seed)
    return partial(bootstrap_interval, weights=weights, level=options.level, method=options.method)
