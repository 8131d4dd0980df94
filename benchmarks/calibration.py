"""Whether intervals and tests keep their promises: ``python benchmarks/calibration.py``.

Simulates studies whose truth is known (`simulated_studies.py`, `selection.py`) and counts how often
tests find an effect where there is none, and how often intervals contain the truth.  Writes
docs/calibration.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from calibration_report import markdown_report, real_rows
from selection import cancelling_d, exchangeable_sources, independent_patch
from simulated_studies import (
    LINKED,
    NEAR_ZERO,
    SKEWED,
    VALSE,
    WORLDS,
    Study,
    World,
    simulate,
    simulate_events,
)
from tqdm import tqdm

from negtrace.statistics.effect_sizes import Options
from negtrace.statistics.families import joint_p
from negtrace.statistics.map_values import ClusterSums
from negtrace.statistics.resampling import (
    Interval,
    bootstrap_interval,
    flip_interval,
    random_signs,
    resamples,
    share_interval,
    sign_flip_tests,
)
from negtrace.tables.store import write_text

OUTPUT = Path(__file__).parents[1] / "docs" / "calibration.md"
ALPHA = 0.05
SHARES = (0.005, 0.02, 0.1, 0.3, 0.5)
MAPS = 6


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


def linked_rates(
    world: World,
    seed: int,
    cells: int = 60,
    flips: int = 1000,
    shares: Sequence[float] = (0.0, 0.3, 0.9),
) -> dict[str, float]:
    """False alarms and coverage in a world of linked pairs, by cluster and by pair."""
    none = simulate(world, [0.0] * cells, np.random.default_rng([seed, 7]))
    some = simulate(world, shares, np.random.default_rng([seed, 8]))
    found = {}
    for unit, tested, measured in (
        ("", none.by_cluster(), some.by_cluster()),
        (", by pair", none.by_pair(), some.by_pair()),
    ):
        p = sign_flip_tests(tested[0], flips, seed)
        found[f"max-T{unit}"] = float(p.p_fwer.min() <= ALPHA)
        signs = random_signs(len(measured[0]), flips, seed)
        weights = resamples(len(measured[0]), flips, seed)
        for quantity, sums in fractions(measured).items():
            truth = np.asarray(shares) * (1 if quantity == "ratio" else world.mean_d)
            methods = {"flip": flip_interval(*sums, signs)}
            if quantity == "ratio":
                methods["percentile"] = bootstrap_interval(*sums, weights)
            for method, (low, high) in methods.items():
                bounded = np.isfinite(low)
                inside = ((low <= truth) & (truth <= high))[bounded]
                rate = inside.mean() if bounded.any() else np.nan
                found[f"{quantity} {method}{unit}"] = rate
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


def event_coverage(
    world: World, seed: int, alike: float = 0.5, replicates: int = 500
) -> dict[str, float]:
    """Share of 95% intervals of shares of events that contain the truth, by share and method."""
    rng = np.random.default_rng([seed, 5])
    sizes = np.asarray(world.sizes, dtype=float)[:, None]
    signs = random_signs(len(sizes), replicates, seed)
    weights = resamples(len(sizes), replicates, seed)
    found = {}
    for share in SHARES:
        events = simulate_events(world.sizes, share, alike, rng)[:, None]
        intervals = {
            "": share_interval(events, sizes),
            ", flip": flip_interval(events, sizes, signs),
            ", percentile": bootstrap_interval(events, sizes, weights),
        }
        for method, (low, high) in intervals.items():
            found[f"{share:.1%}{method}"] = float((low[0] <= share) & (share <= high[0]))
    return found


def families(world: World, seed: int, cells: int = 104, flips: int = 1000) -> dict[str, float]:
    """Whether something is found in `MAPS` maps of the same pairs without any effect."""
    study = simulate(world, [0.0] * MAPS * cells, np.random.default_rng([seed, 6]))
    change, _, n = study.by_pair()
    pairs, none = np.arange(len(n)), np.zeros((len(n), cells))
    sums = [
        ClusterSums(pairs, pd.DataFrame(index=range(cells)), none + n, part, *[none] * 4)
        for part in np.split(change, MAPS, axis=1)
    ]
    options = Options(flips=flips, seed=seed)
    alone = [joint_p([one], options)[0].min() for one in sums]
    together = min(p.min() for p in joint_p(sums, options))
    return {
        "family: each map": min(alone) <= ALPHA,
        "family: all maps": together <= ALPHA,
    }


def summary(results: Sequence[dict]) -> pd.DataFrame:
    """Mean, standard error and range over the studies, and the share that has a value."""
    table = pd.DataFrame(results).astype(float)
    return pd.DataFrame(
        {
            "rate": table.mean(),
            "se": table.sem(),
            "least": table.min(),
            "most": table.max(),
            "present": table.notna().mean(),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000, help="simulated studies of each kind")
    parser.add_argument("--tables", type=int, default=60, help="studies of whole tables")
    parser.add_argument("--processes", type=int, help="as many as cores, unless given")
    parser.add_argument("--authors", type=Path, help="published scores: wording, item_id, ...")
    parser.add_argument("--valse", type=Path, help="VALSE's existence.json, for --authors")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    with ProcessPoolExecutor(options.processes) as pool, tqdm(unit="study") as bar:

        def rates(of: Callable[[int], dict], studies: int) -> pd.DataFrame:
            results = []
            for result in pool.map(of, range(studies), chunksize=5):
                results.append(result)
                bar.update()
            return summary(results)

        def by_world(of: Callable[..., dict], worlds: Iterable[World]) -> dict[str, pd.DataFrame]:
            return {world.name: rates(partial(of, world), options.studies) for world in worlds}

        found = {
            "alarms": by_world(false_alarms, WORLDS),
            "skewed": by_world(partial(false_alarms, cells=60), SKEWED),
            "families": by_world(families, [VALSE]),
            "linked": by_world(linked_rates, LINKED),
            "covered": by_world(coverage, (*WORLDS, NEAR_ZERO)),
            "events": by_world(event_coverage, WORLDS[::2] + WORLDS[3:4]),
            "selection": {title: rates(of, options.tables) for title, of in SELECTIONS.items()},
        }
    found["real"] = real_rows(options.authors, options.valse) if options.authors else None
    write_text(markdown_report(found, options.studies, options.tables, MAPS), options.output)


SELECTIONS = {
    "a model at chance, patches independent of both sentences": independent_patch,
    "a negation and a swap that are exchangeable": exchangeable_sources,
    "a random model that prefers one sentence": cancelling_d,
}


if __name__ == "__main__":
    main()
