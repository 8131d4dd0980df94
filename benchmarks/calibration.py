"""Whether intervals and tests keep their promises: ``python benchmarks/calibration.py``.

Simulates studies whose truth is known and counts how often the tests of a map without any effect
find one, and how often intervals contain the truth.  Writes docs/calibration.md.

An item has an effect d and, in every cell, change = share x d + noise.  Half of the variance of d
and of the noise is shared by the items of a pair, and three fifths of the noise by all cells.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from negtrace.statistics.resampling import (
    Interval,
    bootstrap_interval,
    flip_interval,
    random_signs,
    resamples,
    sign_flip_tests,
)
from negtrace.tables.store import write_text

OUTPUT = Path(__file__).parents[1] / "docs" / "calibration.md"
ALPHA = 0.05

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


WORLDS = (
    World("VALSE's pairs"),
    World("VALSE's pairs, skewed noise", skewed=True),
    World("284 pairs of one item each", sizes=(1,) * 284),
    World("60 pairs, 1 to 10 items", sizes=(*(1,) * 40, *(2,) * 12, *(5,) * 5, *(10,) * 3)),
    World("20 pairs, 1 to 5 items", sizes=(*(1,) * 12, *(2,) * 4, *(3,) * 2, 5, 5)),
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


def false_alarms(world: World, seed: int, cells: int = 104, flips: int = 1000) -> dict[str, float]:
    """Whether each procedure finds something in one map without any effect."""
    study = simulate(world, [0.0] * cells, np.random.default_rng([seed, 0]))
    pairs, items = (
        sign_flip_tests(values[0], flips, seed) for values in (study.by_pair(), study.by_item())
    )
    return {
        "max-T": pairs.p_fwer.min() <= ALPHA,
        "Benjamini-Hochberg": pairs.q_fdr.min() <= ALPHA,
        "single cell": float((pairs.p <= ALPHA).mean()),
        "no correction": pairs.p.min() <= ALPHA,
        "max-T, items flipped": items.p_fwer.min() <= ALPHA,
    }


def coverage(
    world: World, seed: int, shares: Sequence[float] = (0.0, 0.3, 0.9), replicates: int = 1000
) -> dict[tuple[str, str], float]:
    """Share of cells whose interval contains the truth, by quantity and method.

    NaN where none of the intervals is bounded.
    """
    study = simulate(world, shares, np.random.default_rng([seed, 1]))
    truths = {"ratio": np.asarray(shares), "difference": np.asarray(shares) * world.mean_d}
    found = {}
    for (quantity, method), (low, high) in limits(study, replicates, seed).items():
        bounded = np.isfinite(low)
        inside = ((low <= truths[quantity]) & (truths[quantity] <= high))[bounded]
        found[quantity, method] = inside.mean() if bounded.any() else np.nan
    return found


def limits(study: Study, replicates: int, seed: int) -> dict[tuple[str, str], Interval]:
    """Intervals of both quantities by every method."""
    by_pair, by_item = fractions(study.by_pair()), fractions(study.by_item())
    weights = resamples(len(study.sizes), replicates, seed)
    signs = random_signs(len(study.sizes), replicates, seed)
    of_items = resamples(len(study.d), replicates, seed)
    found = {}
    for quantity in ("ratio", "difference"):
        sums = by_pair[quantity]
        found[quantity, "percentile"] = bootstrap_interval(*sums, weights)
        found[quantity, "bca"] = bootstrap_interval(*sums, weights, method="bca")
        found[quantity, "flip"] = flip_interval(*sums, signs)
        found[quantity, "percentile, items drawn"] = bootstrap_interval(
            *by_item[quantity], of_items
        )
    return found


def fractions(
    sums: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Numerator and denominator of each quantity [units, cells]."""
    change, d, n = (np.broadcast_to(x, sums[0].shape) for x in sums)
    return {"ratio": (change, d), "difference": (change, n)}


def summary(results: Sequence[dict]) -> pd.DataFrame:
    """Mean and standard error over the simulated studies, and the share that has a value."""
    table = pd.DataFrame(results).astype(float)
    return pd.DataFrame({"rate": table.mean(), "se": table.sem(), "present": table.notna().mean()})


def percent(rate: pd.Series) -> str:
    text = f"{rate['rate']:.1%} ± {rate['se']:.1%}"
    present = f"{rate['present']:.0%}"
    return text if present == "100%" else f"{text} (of {present})"


def markdown_table(rows: dict[str, pd.DataFrame]) -> str:
    """A row per world and a column per procedure."""
    names = [" ".join(n) if isinstance(n, tuple) else n for n in next(iter(rows.values())).index]
    lines = [["items", *names], ["---"] * (len(names) + 1)]
    lines += [[world, *map(percent, (r for _, r in t.iterrows()))] for world, t in rows.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000, help="simulated studies of each kind")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    studies = range(options.studies)
    steps = len(studies) * (2 * len(WORLDS) + 1)
    with ProcessPoolExecutor() as pool, tqdm(total=steps, unit="study") as bar:

        def rates(of: Callable[[World, int], dict], world: World) -> pd.DataFrame:
            results = []
            for result in pool.map(partial(of, world), studies, chunksize=10):
                results.append(result)
                bar.update()
            return summary(results)

        alarms = {world.name: rates(false_alarms, world) for world in WORLDS}
        covered = {world.name: rates(coverage, world) for world in (*WORLDS, NEAR_ZERO)}
    write_text(report(alarms, covered, options.studies), options.output)


def report(alarms: dict[str, pd.DataFrame], covered: dict[str, pd.DataFrame], studies: int) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy"))
    return f"""# Calibration

What the intervals and tests of `negtrace.statistics.resampling` do on simulated studies whose truth
is known. Written by `python benchmarks/calibration.py`: {studies} studies of each kind, with the
seeds 0 to {studies - 1}, and {packages}. Rates are given with their standard errors over the
studies.

An item has an effect d (t distribution with 3 degrees of freedom, standard deviation 2, mean 3
unless stated; values near 0 and below occur) and in every cell a change of share × d + noise. Half
of the variance of d and of the noise is shared by the items of a pair, and three fifths of the
noise by all cells. VALSE's pairs are those of the `rephrased` wording: 284 pairs, 238 of one item,
the largest of 47.

## Tests

How often a map of 104 cells without any effect is said to have one, at the 5% level (1000 sign
patterns). *max-T* and *Benjamini-Hochberg* are the p-values `p_fwer` and `q_fdr`. The share of
single cells with p ≤ 0.05 should be 5% as well. The last two columns show what the correction over
cells and the clustering by pairs are for.

{markdown_table(alarms)}

## Intervals

How often a 95% interval contains the truth, in cells with shares 0, 0.3 and 0.9 (1000 resamples).
*percentile* and *bca* resample pairs; *flip* inverts the test by sign flips. Columns that end in
*items drawn* resample items as if they were independent. A ratio has no interval where its
denominator may be 0; "of 90%" means that 90% of the studies had one. Where few pairs hold many of
the items, resamples vary less than studies do, and limits read off them are too close together.

{markdown_table(covered)}

The mean of ratios is not in the table: where d can be 0, a ratio with noise in its numerator has no
expectation that an interval could contain.
"""


if __name__ == "__main__":
    main()
