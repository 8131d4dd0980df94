"""Variance components of two crossed groupings, such as templates and subjects.

y = mean + template + subject + rest, all random.  Half the mean squared difference of two values
that share neither is the sum of the three variances; of two that share their template only, what is
left without the template's; and so on.  Differences of these are unbiased estimates, whatever the
numbers of values (Koch 1968); one below 0 says that the variance is small.

Intervals: delete-one jackknife over templates plus the same over subjects, and Student's t with one
degree of freedom less than the smaller number of them.  The sum counts what both share twice, so
they are rather too wide.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import t as student

COMPONENTS = ("first", "second", "rest", "share")


class Components(NamedTuple):
    """Estimates or limits of each column of values."""

    first: Float[np.ndarray, " cells"]  # variance between levels of the first grouping
    second: Float[np.ndarray, " cells"]
    rest: Float[np.ndarray, " cells"]
    share: Float[np.ndarray, " cells"]  # first / (first + second); null where neither is above 0


def components(
    values: Float[np.ndarray, "values cells"],
    first: Int[np.ndarray, " values"],
    second: Int[np.ndarray, " values"],
) -> Components:
    """Variance components of every column.

    Args:
        first, second: level of each value in either grouping, from 0.

    Returns:
        null where no two values share a level of one grouping only, or none shares neither.
    """
    both = first * (second.max(initial=0) + 1) + second
    every, of_first, of_second, of_both = (
        _squared_differences(values, groups)
        for groups in (np.zeros(len(values), int), first, second, both)
    )
    share_first = _half_mean(of_first, of_both)
    share_second = _half_mean(of_second, of_both)
    neither = _half_mean(
        (every[0] + of_both[0], every[1] + of_both[1]),
        (of_first[0] + of_second[0], of_first[1] + of_second[1]),
    )
    between, within = neither - share_first, neither - share_second
    return Components(between, within, neither - between - within, _share(between, within))


def component_intervals(
    values: Float[np.ndarray, "values cells"],
    first: Int[np.ndarray, " values"],
    second: Int[np.ndarray, " values"],
    level: float = 0.95,
) -> tuple[Components, Components]:
    """Lower and upper limits of `components`; those of a share lie between 0 and 1."""
    estimate = np.stack(components(values, first, second))
    variance = np.zeros_like(estimate)
    counts = []
    for groups in (first, second):
        names = np.unique(groups)
        counts.append(len(names))
        left_out = np.stack(
            [
                np.stack(components(values[keep], first[keep], second[keep]))
                for keep in (groups != name for name in names)
            ]
        )
        n = len(names)
        variance += (n - 1) / n * ((left_out - left_out.mean(0)) ** 2).sum(0)
    reach = student.ppf((1 + level) / 2, max(min(counts) - 1, 1)) * np.sqrt(variance)
    low, high = estimate - reach, estimate + reach
    low[3], high[3] = np.clip(low[3], 0, 1), np.clip(high[3], 0, 1)
    return Components(*low), Components(*high)


def _squared_differences(
    values: Float[np.ndarray, "values cells"], groups: Int[np.ndarray, " values"]
) -> tuple[np.ndarray, int]:
    """Sum of squared differences of couples within groups [cells], and the number of couples."""
    size = np.bincount(groups)
    total, squares = (np.zeros((len(size), values.shape[1])) for _ in range(2))
    np.add.at(total, groups, values)
    np.add.at(squares, groups, values**2)
    couples = int((size * (size - 1) // 2).sum())
    return (size[:, None] * squares - total**2).sum(0), couples


def _half_mean(more: tuple[np.ndarray, int], less: tuple[np.ndarray, int]) -> np.ndarray:
    """Half the mean squared difference of the couples in the one set that are not in the other."""
    couples = more[1] - less[1]
    if couples == 0:
        return np.full_like(more[0], np.nan)
    half: np.ndarray = (more[0] - less[0]) / couples / 2
    return half


def _share(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = np.clip(first, 0, None), np.clip(second, 0, None)
    with np.errstate(invalid="ignore"):
        share: np.ndarray = first / (first + second)
    return share
