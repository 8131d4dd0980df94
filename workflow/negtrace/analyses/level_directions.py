"""Negation directions of single templates, or negators, and how alike two of them are.

The direction of a level is the difference of means over its pairs (`statistics/directions.py`).
Two are compared where they were fitted on different halves of the clusters, so that what they have
in common is not that of the pairs.  The standard error of a cosine is the jackknife's, on Fisher's
z: clusters are left out one at a time, the halves are strata (Efron & Stein 1981, *Annals of
Statistics* 9:586-596).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float64

from negtrace.analyses.fitted_directions import other
from negtrace.models.tower import TextTower
from negtrace.patching.forward_passes import as_array
from negtrace.patching.role_states import role_states
from negtrace.patching.sentences import SentencePair
from negtrace.statistics.directions import ANOTHER, ROUNDING, SAME, unit
from negtrace.vocabulary import ALL

COLUMNS = ["fitted_on", "tested_on", "layer", "cosine", "z_se"]
HALVES = ("0", "1")

# By half and level: the changes from base to source of all clusters of the half, over their pairs.
Changes = Mapping[tuple[str, str], Float64[np.ndarray, "clusters states width"]]


class Compared(NamedTuple):
    """A cosine in every hidden state, and what it is without each of a half's clusters."""

    whole: Float64[np.ndarray, states]
    without: list[Float64[np.ndarray, "clusters states"]]


def level_changes(
    tower: TextTower,
    pairs: Sequence[SentencePair],
    role: str,
    direction: str,
    half: Mapping[str, str],
    level: Mapping[str, str],
    cluster: Mapping[str, str],
    memory_gb: float = 2.0,
) -> Changes:
    """Changes of the hidden states 0..L at a role, for every half and level that has a pair.

    Args:
        half, level, cluster: of each pair, by pair_id.
    """
    of_half = {h: sorted({cluster[p] for p in level if half[p] == h}) for h in HALVES}
    number = {name: i for names in of_half.values() for i, name in enumerate(names)}
    size = (tower.shape.layers + 1, tower.shape.width)
    found: dict[tuple[str, str], np.ndarray] = {}
    for states in role_states(tower, pairs, role, direction, memory_gb):
        changes = as_array(states.source.double() - states.base.double())
        for row, name in enumerate(pairs[i].pair_id for i in states.pairs):
            h = half[name]
            sums = found.setdefault((h, level[name]), np.zeros((len(of_half[h]), *size)))
            sums[number[cluster[name]]] += changes[:, row]
    return found


def cosines_of(changes: Changes) -> pd.DataFrame:
    """Cosine between the directions of levels a and b, by hidden state.

    Returns:
        `COLUMNS`: the mean of a's in one half with b's in the other, both ways; z_se, the standard
        error of its Fisher's z.  Rows with tested_on ``all`` are means over all a (fitted_on
        ``the same``: a = b) or all a and b (``another``).
    """
    names = sorted({level for _, level in changes})
    every = {(a, b): of for a, b in product(names, names) if (of := _compared(changes, a, b))}
    found = dict(every)
    for kind in (SAME, ANOTHER):
        alike = [of for (a, b), of in every.items() if (a == b) == (kind == SAME)]
        if alike:
            without = [np.mean(of, axis=0) for of in zip(*(x.without for x in alike), strict=True)]
            found[kind, ALL] = Compared(np.mean([of.whole for of in alike], axis=0), without)
    parts = [
        pd.DataFrame({"fitted_on": a, "tested_on": b, "cosine": of.whole, "z_se": _z_error(of)})
        for (a, b), of in found.items()
    ]
    parts = [part.rename_axis("layer").reset_index() for part in parts]
    return pd.concat(parts, ignore_index=True)[COLUMNS] if parts else pd.DataFrame(columns=COLUMNS)


def _compared(changes: Changes, a: str, b: str) -> Compared | None:
    """None where no half has pairs of a and the other pairs of b."""
    wholes: list[np.ndarray] = []
    without: dict[str, list[np.ndarray]] = {half: [] for half in HALVES}
    for half in HALVES:
        first, second = changes.get((half, a)), changes.get((other(half), b))
        if first is None or second is None:
            continue
        ends = unit(first.sum(0)), unit(second.sum(0))
        wholes.append(np.einsum("sw,sw->s", *ends))
        without[half].append(_leaving_one_out(first, ends[1]))
        without[other(half)].append(_leaving_one_out(second, ends[0]))
    if not wholes:
        return None
    return Compared(np.mean(wholes, axis=0), [np.mean(without[half], axis=0) for half in HALVES])


def _leaving_one_out(
    changes: Float64[np.ndarray, "clusters states width"],
    unit_vector: Float64[np.ndarray, "states width"],
) -> Float64[np.ndarray, "clusters states"]:
    """Cosine with a unit vector of the sum of all clusters but one; NaN where nothing is left."""
    whole = changes.sum(0)
    along = np.einsum("sw,sw->s", whole, unit_vector) - np.einsum(
        "csw,sw->cs", changes, unit_vector
    )
    squared = np.einsum("sw,sw->s", whole, whole)
    left = (
        squared
        - 2 * np.einsum("csw,sw->cs", changes, whole)
        + np.einsum("csw,csw->cs", changes, changes)
    )
    left = np.where(left > ROUNDING * squared, left, np.nan)
    cosine: np.ndarray = along / np.sqrt(left)
    return cosine


def _z_error(of: Compared) -> Float64[np.ndarray, states]:
    """NaN where a half has a single cluster, or two directions are the same."""
    variance = np.zeros_like(of.whole)
    with np.errstate(divide="ignore", invalid="ignore"):
        for without in of.without:
            z, count = np.arctanh(without.clip(-1, 1)), len(without)
            variance += (count - 1) / count * ((z - z.mean(0)) ** 2).sum(0)
            variance[...] = variance if count > 1 else np.nan
    error: np.ndarray = np.sqrt(variance)
    return np.where(np.isfinite(error), error, np.nan)
