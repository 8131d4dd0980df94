"""Atlas: one model in numbers that do not depend on its size, to stand beside others'.

    hand-over      at what fraction of a model's depth the effect of the negation is off the edited
                   word, and at the end token: `depth`
    concentration  over how many heads the effect is spread: `effective_number_of_heads`

All over all items of both negations, with percentiles of resampled clusters (`clusters.py`) for
limits.  What sets two models beside each other is in `model_pairs.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Float

from negtrace.statistics.accuracy import accuracy_interval
from negtrace.statistics.clusters import FEWEST_CLUSTERS
from negtrace.statistics.effect_sizes import Options
from negtrace.statistics.map_values import ENDS, cluster_sums, item_values
from negtrace.statistics.resampling import resamples
from negtrace.vocabulary import EDITED_ROLES

HALF = 0.5
END = "EOT"
QUANTITIES = ("accuracy", "leaves", "arrives", "effective_heads")


class Run(NamedTuple):
    """Tables of those names, of one model, dataset and wording."""

    sweeps: dict[str, pd.DataFrame]  # by site and direction, as in resid.negate
    scores: pd.DataFrame
    segments: pd.DataFrame
    attention: pd.DataFrame | None = None


class Sums(NamedTuple):
    """Sums over the clusters of every resample [replicates, cells]."""

    cells: pd.DataFrame
    change: np.ndarray
    d: np.ndarray


Quantity: TypeAlias = Callable[[Sums], Float[np.ndarray, " replicates"]]


def model_row(run: Run, direction: str, options: Options) -> dict[str, Any]:
    """One model on one dataset and wording.

    Returns:
        `QUANTITIES`, each with `_ci_low` and `_ci_high`: accuracy (share of items with d > 0,
        limits of `accuracy.accuracy_interval`), leaves and arrives (`depth`), effective_heads; null
        where there is no such sweep or the mean d may be 0.  layers and n_heads (null without a
        sweep), n_items, n_pairs, n_clusters.
    """
    segments = run.segments
    limits = accuracy_interval(segments, options.level)
    found: dict[str, Any] = {"layers": None, "n_heads": None}
    found |= {f"{name}{end}": np.nan for name in QUANTITIES for end in ENDS}
    found |= _named("accuracy", segments["correct"].mean(), np.ravel(limits))
    can = has_share(segments, options)
    if (sweep := run.sweeps.get(f"resid.{direction}")) is not None:
        values = item_values(sweep, run.scores, segments)
        found["layers"] = int(values["layer"].max())
        roles = set(values["role"].astype(object))
        edited = next((role for role in EDITED_ROLES if role in roles), "")
        if can:
            found |= estimate("leaves", values, lambda sums: depth(sums, edited), options)
            found |= estimate("arrives", values, lambda sums: depth(sums, END), options)
    if (sweep := run.sweeps.get(f"head.{direction}")) is not None:
        values = item_values(sweep, run.scores, segments)
        heads = values[["layer", "head"]].drop_duplicates()
        found |= {"layers": int(heads["layer"].max()), "n_heads": len(heads)}
        if can:
            found |= estimate("effective_heads", values, effective_number_of_heads, options)
    return found | {
        "n_items": len(segments),
        "n_pairs": segments["pair_id"].nunique(),
        "n_clusters": segments["cluster_id"].nunique(),
    }


def has_share(segments: pd.DataFrame, options: Options) -> bool:
    """Whether a share of the mean d can be given: hardly a resample of the clusters turns its sign.

    The rule of `resampling.bootstrap_interval`; with fewer than 6 clusters there is no interval.
    """
    d = segments.groupby(segments["cluster_id"].astype(object))["d"].sum().to_numpy()
    if len(d) < FEWEST_CLUSTERS:
        return False
    drawn = resamples(len(d), options.replicates, options.seed) @ d
    return bool((drawn * d.sum() <= 0).mean() < (1 - options.level) / 2)


def estimate(
    name: str, values: pd.DataFrame, quantity: Quantity, options: Options
) -> dict[str, float]:
    """A quantity of a map by name, with percentiles of it.

    A resample without one counts as beyond either limit: with too many of them there are none.
    """
    sums = cluster_sums(values)
    weights = resamples(len(sums.clusters), options.replicates, options.seed)
    every = np.ones((1, len(sums.clusters)))
    value, drawn = (
        quantity(Sums(sums.cells, one @ sums.change, one @ sums.d)) for one in (every, weights)
    )
    tails = [(1 - options.level) / 2, (1 + options.level) / 2]
    low = np.quantile(np.nan_to_num(drawn, nan=-np.inf), tails[0], method="lower")
    high = np.quantile(np.nan_to_num(drawn, nan=np.inf), tails[1], method="higher")
    limits = np.array([low, high])
    return _named(name, value[0], np.where(np.isfinite(limits).all(), limits, np.nan))


def _named(name: str, value: float, limits: np.ndarray) -> dict[str, float]:
    low, high = map(float, limits)
    return {name: float(value), f"{name}_ci_low": low, f"{name}_ci_high": high}


def depth(sums: Sums, role: str) -> Float[np.ndarray, " replicates"]:
    """Fraction of a model's depth at which restoration at a token crosses one half for good.

    Restoration (ratio of means) at hidden states 0..L is joined by straight lines.  At the end
    token it is where they come up to 1/2 for the last time, at any other where they fall below it
    for the last time, over L: 0 where it is so from the start, null where it does not end so or the
    token has no cell in some state.
    """
    rows = np.flatnonzero((sums.cells["role"].astype(object) == role).to_numpy())
    layers = sums.cells["layer"].to_numpy(int)
    rows = rows[np.argsort(layers[rows])]
    if len(rows) != layers.max() + 1:
        return np.full(len(sums.change), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = sums.change[:, rows] / sums.d[:, rows]
    return crossing(shares if role == END else 1 - shares)


def crossing(shares: Float[np.ndarray, "replicates states"]) -> Float[np.ndarray, " replicates"]:
    """Where lines between states 0..L come up to one half for the last time, over L."""
    last = shares.shape[1] - 1
    below = shares < HALF
    at = np.minimum(last - np.argmax(below[:, ::-1], axis=1), last - 1)  # the last state below
    low, high = (np.take_along_axis(shares, one[:, None], 1)[:, 0] for one in (at, at + 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        found: np.ndarray = (at + (HALF - low) / (high - low)) / last
    found[~below.any(axis=1)] = 0.0
    found[below[:, -1] | np.isnan(shares).any(axis=1)] = np.nan
    return found


def effective_number_of_heads(sums: Sums) -> Float[np.ndarray, " replicates"]:
    """(sum |x|)**2 / sum x**2 over heads, x the mean change: 1 if one does all, H if H do the same.

    The participation ratio, in the form of Kish's (1965) effective number.  Noise in heads without
    an effect raises it: with few clusters it says at most over how many the effect is spread.
    """
    size = np.abs(sums.change)
    with np.errstate(invalid="ignore"):
        found: np.ndarray = size.sum(1) ** 2 / (size**2).sum(1)
    return found
