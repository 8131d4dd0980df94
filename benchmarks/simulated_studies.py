"""Simulated studies whose truth is known, for `calibration.py`.

An item has an effect d and, in every cell, change = share x d + noise.  Half of the variance of d
and of the noise is shared by the items of a pair, and three fifths of the noise by all cells.
Where pairs are linked, half of what the items of a pair share comes from a sentence that all pairs
of their cluster have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        linked: pairs of each cluster; empty: every pair is one.
    """

    name: str
    sizes: tuple[int, ...] = VALSE_SIZES
    mean_d: float = 3.0
    skewed: bool = False
    linked: tuple[int, ...] = ()


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

# Pairs of each cluster in two samples of NegBench (300 rows): what short captions link.
VOC = (27, 19, 13, 12, 9, 7, 6, 5, 4, 4, 4, 3, 2, 2, 2)
COCO = (43, 39, 24, 11, 11, 10, 9, 8, 5, 5, *(4,) * 6, *(3,) * 5, *(2,) * 67, *(1,) * 40)


def linked_world(name: str, linked: tuple[int, ...], skewed: bool = False) -> World:
    """Pairs of one item in clusters of the given sizes."""
    return World(name, (1,) * sum(linked), skewed=skewed, linked=linked)


LINKED = (
    linked_world("100 clusters of 3", (3,) * 100),
    linked_world("NegBench COCO's 128, the largest of 43", COCO),
    linked_world("50 clusters of 3", (3,) * 50),
    linked_world("30 clusters of 3", (3,) * 30),
    linked_world("20 clusters of 3", (3,) * 20),
    linked_world("20 clusters of 3, skewed noise", (3,) * 20, skewed=True),
    linked_world("NegBench VOC's 15, the largest of 27", VOC),
    linked_world("NegBench VOC's 15, skewed noise", VOC, skewed=True),
    linked_world("12 clusters of 3", (3,) * 12),
    linked_world("8 clusters of 3", (3,) * 8),
)

# Under the hypothesis d plays no part, so that this one is for intervals only.
NEAR_ZERO = World("VALSE's pairs, mean of d 0.6", mean_d=0.6)


class Study(NamedTuple):
    """A simulated map; items of a pair follow each other."""

    change: np.ndarray  # [items, cells]
    d: np.ndarray  # [items]
    sizes: np.ndarray  # items of each pair
    linked: np.ndarray  # pairs of each cluster

    def by_pair(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sums of change, d and 1 over the items of each pair [pairs, cells or 1]."""
        starts = np.cumsum(self.sizes) - self.sizes
        change, d = (np.add.reduceat(x, starts) for x in (self.change, self.d[:, None]))
        return change, d, self.sizes[:, None].astype(float)

    def by_cluster(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same sums over the items of each cluster, [clusters, cells or 1]."""
        change, d, n = (
            np.add.reduceat(x, np.cumsum(self.linked) - self.linked) for x in self.by_pair()
        )
        return change, d, n

    def by_item(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same with every item for itself, as if items were independent."""
        return self.change, self.d[:, None], np.ones((len(self.d), 1))


def simulate(world: World, shares: Sequence[float], rng: np.random.Generator) -> Study:
    """Draw one study; a cell for each of `shares`."""
    sizes = np.asarray(world.sizes)

    def heavy(shape: tuple[int, ...], degrees: int) -> np.ndarray:
        return rng.standard_t(degrees, shape) * np.sqrt((degrees - 2) / degrees)

    linked = np.asarray(world.linked or (1,) * len(sizes))

    def of_pairs(draw: Callable[[int], np.ndarray]) -> np.ndarray:
        own = draw(len(sizes))
        if not world.linked:
            return own
        common: np.ndarray = np.sqrt(0.5) * (own + draw(len(linked)).repeat(linked, axis=0))
        return common

    def noise(rows: int) -> np.ndarray:
        def draw(columns: int) -> np.ndarray:
            shape = (rows, columns)
            return rng.exponential(size=shape) - 1 if world.skewed else heavy(shape, 5)

        return np.sqrt(0.6) * draw(1) + np.sqrt(0.4) * draw(len(shares))

    items = sizes.sum()
    both = of_pairs(lambda n: heavy((n,), 3)).repeat(sizes) + heavy((items,), 3)
    d = world.mean_d + 2 * np.sqrt(0.5) * both
    disturbance = np.sqrt(0.5) * (of_pairs(noise).repeat(sizes, axis=0) + noise(items))
    return Study(d[:, None] * np.asarray(shares) + disturbance, d, sizes, linked)


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
