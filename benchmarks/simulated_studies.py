"""Simulated studies whose truth is known, for `calibration.py`.

An item has an effect d and, in every cell, change = share x d + noise.  Half of the variance of d
and of the noise is shared by the items of a pair, and three fifths of the noise by all cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# Items per pair of VALSE's existence items, rephrased: 490 items, 284 pairs.
VALSE_SIZES = (
    *(1,) * 238, *(2,) * 19, *(3,) * 14, *(4,) * 3, 5, 6, 8, *(10,) * 3, 20, 22, 22, 47,
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """How items are made.

    Attributes:
        sizes: items of each pair.
        mean_d: mean of d, whose standard deviation is 2.
        skewed: whether the noise is skewed (exponential) instead of heavy-tailed (t, 5 degrees).
    """

    name: str
    sizes: tuple[int, ...] = VALSE_SIZES
    mean_d: float = 3.0
    skewed: bool = False


VALSE = World("VALSE's pairs")
WORLDS = (
    VALSE,
    World("VALSE's pairs, skewed noise", skewed=True),
    World("284 pairs of one item each", sizes=(1,) * 284),
    World("60 pairs, 1 to 10 items", sizes=(*(1,) * 40, *(2,) * 12, *(5,) * 5, *(10,) * 3)),
    World("20 pairs, 1 to 5 items", sizes=(*(1,) * 12, *(2,) * 4, *(3,) * 2, 5, 5)),
)

# Few pairs and skewed noise: where tests by sign flips are too bold.
SKEWED = (
    *(World(f"{n} pairs of one item, skewed noise", (1,) * n, skewed=True) for n in (7, 10, 20)),
    World("20 pairs, 1 to 5 items, skewed noise", WORLDS[4].sizes, skewed=True),
    *(World(f"{n} pairs of one item, skewed noise", (1,) * n, skewed=True) for n in (30, 50, 120)),
)

# Under the hypothesis d plays no part, so that this one is for intervals only.
NEAR_ZERO = World("VALSE's pairs, mean of d 0.6", mean_d=0.6)


class Study(NamedTuple):
    """A simulated map; items of a pair follow each other."""

    change: np.ndarray  # [items, cells]
    d: np.ndarray  # [items]
    sizes: np.ndarray  # items of each pair

    def by_pair(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sums of change, d and 1 over the items of each pair [pairs, cells or 1]."""
        starts = np.cumsum(self.sizes) - self.sizes
        change, d = (np.add.reduceat(x, starts) for x in (self.change, self.d[:, None]))
        return change, d, self.sizes[:, None].astype(float)

    def by_item(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same with every item for itself, as if items were independent."""
        return self.change, self.d[:, None], np.ones((len(self.d), 1))


def simulate(world: World, shares: Sequence[float], rng: np.random.Generator) -> Study:
    """Draw one study; a cell for each of `shares`."""
    sizes = np.asarray(world.sizes)

    def heavy(shape: tuple[int, ...], degrees: int) -> np.ndarray:
        return rng.standard_t(degrees, shape) * np.sqrt((degrees - 2) / degrees)

    def noise(rows: int) -> np.ndarray:
        def draw(columns: int) -> np.ndarray:
            shape = (rows, columns)
            return rng.exponential(size=shape) - 1 if world.skewed else heavy(shape, 5)

        return np.sqrt(0.6) * draw(1) + np.sqrt(0.4) * draw(len(shares))

    items, pairs = sizes.sum(), len(sizes)
    both = heavy((pairs,), 3).repeat(sizes) + heavy((items,), 3)
    d = world.mean_d + 2 * np.sqrt(0.5) * both
    disturbance = np.sqrt(0.5) * (noise(pairs).repeat(sizes, axis=0) + noise(items))
    return Study(d[:, None] * np.asarray(shares) + disturbance, d, sizes)


def simulate_events(
    sizes: Sequence[int], share: float, alike: float, rng: np.random.Generator
) -> np.ndarray:
    """How many values of each pair something happens at.

    Args:
        share: of all values.
        alike: correlation of two values of a pair, from 0 to 1 (beta-binomial).
    """
    n = np.asarray(sizes)
    if alike in (0, 1):
        drawn = rng.binomial(n, share) if alike == 0 else n * rng.binomial(1, share, len(n))
        return drawn.astype(float)
    strength = (1 - alike) / alike
    return rng.binomial(n, rng.beta(share * strength, (1 - share) * strength, len(n))).astype(float)
