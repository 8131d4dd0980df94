"""Fitted directions: those of one half of a study's clusters, for the pairs of the other half.

Every role of the base sentence has directions of its own at every hidden state
(`statistics/directions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from negtrace.analyses.head_sets import split_items
from negtrace.models.tower import TextTower
from negtrace.patching.forward_passes import as_array, run_sentences
from negtrace.patching.intervention_checks import ROLES
from negtrace.patching.role_states import role_states
from negtrace.patching.sentences import SentencePair
from negtrace.patching.subspace import Key
from negtrace.statistics.directions import (
    Moments,
    difference_of_means,
    moments,
    pooled,
    probe,
    told_apart,
)
from negtrace.vocabulary import BASE_OF

METHODS = ("difference", "probe")
TOLD = ["pair_id", "cluster_id", "direction", "layer", "role", "method", "right", "states"]


class Fitted(NamedTuple):
    """Directions by half of the clusters and role, all fitted on the other half's pairs.

    Attributes:
        vectors: by method [hidden_states, width] float64.
        middle: between both means.
    """

    vectors: dict[str, dict[Key, np.ndarray]]
    middle: dict[Key, np.ndarray]


def halves(segments: pd.DataFrame, seed: int) -> dict[str, str]:
    """Half that each pair lies in, ``0`` or ``1``; a cluster lies in one."""
    both = split_items(segments, seed)
    return {str(pair): str(i) for i, half in enumerate(both) for pair in half["pair_id"].unique()}


def clusters_of(segments: pd.DataFrame) -> pd.Series:
    """The cluster of every pair, by pair_id."""
    by_pair = segments.drop_duplicates("pair_id").set_index("pair_id")
    return by_pair["cluster_id"].astype(object)


def other(half: str) -> str:
    return "1" if half == "0" else "0"


def moments_by(
    tower: TextTower,
    pairs: Sequence[SentencePair],
    role: str,
    direction: str,
    group: Mapping[str, str],
    products: bool = True,
    memory_gb: float = 2.0,
) -> dict[str, Moments]:
    """Moments of the hidden states 0..L at a role, of every group of pairs that has it.

    Args:
        group: of each pair, by pair_id.
        products: see `directions.moments`.
    """
    found: dict[str, Moments] = {}
    for states in role_states(tower, pairs, role, direction, memory_gb):
        source, base = as_array(states.source), as_array(states.base)
        of_row = np.array([group[pairs[i].pair_id] for i in states.pairs])
        for name in np.unique(of_row).tolist():
            rows = of_row == name
            part = moments(source[:, rows], base[:, rows], products)
            found[name] = pooled([found[name], part]) if name in found else part
    return found


def fitted_directions(
    tower: TextTower,
    pairs: Sequence[SentencePair],
    direction: str,
    half: Mapping[str, str],
    shrinkage: float,
    memory_gb: float = 2.0,
) -> Fitted:
    """Both directions at every role, for each half from the pairs of the other.

    Args:
        half: of each pair (`halves`).
        shrinkage: of the probe.
    """
    found = Fitted({method: {} for method in METHODS}, {})
    for role in roles_of(pairs, direction):
        by_half = moments_by(tower, pairs, role, direction, half, memory_gb=memory_gb)
        for fitted_on, of in by_half.items():
            key = (other(fitted_on), role)
            found.vectors["difference"][key] = difference_of_means(of)
            found.vectors["probe"][key] = probe(of, shrinkage)
            found.middle[key] = of.middle
    return found


def roles_of(pairs: Sequence[SentencePair], direction: str) -> list[str]:
    """Roles of the base sentences' tokens."""
    there = {role for pair in pairs for role in pair.sentence(BASE_OF[direction]).roles}
    return [role for role in ROLES if role in there]


def read_role(tower: TextTower, pairs: Sequence[SentencePair], direction: str) -> str:
    """Role of the token that is read out; EOT where the mean of all is."""
    if tower.shape.pool == "mean":
        return "EOT"
    base = pairs[0].sentence(BASE_OF[direction])
    return base.roles[int(run_sentences(tower, [base.tokens]).pooled[0])]


def told_by(
    tower: TextTower,
    pairs: Sequence[SentencePair],
    direction: str,
    half: Mapping[str, str],
    fitted: Fitted,
    segments: pd.DataFrame,
    memory_gb: float,
) -> pd.DataFrame:
    """`TOLD`: how many of a pair's states at a role its directions tell apart."""
    cluster = clusters_of(segments)
    parts = []
    for role in roles_of(pairs, direction):
        for states in role_states(tower, pairs, role, direction, memory_gb):
            ids = np.array([pairs[i].pair_id for i in states.pairs])
            halves_of = np.array([half[pair] for pair in ids])
            for method, of_half in ((m, h) for m in METHODS for h in np.unique(halves_of)):
                key, rows = (of_half, role), halves_of == of_half
                if key not in fitted.middle:
                    continue
                both = (as_array(of[:, rows]) for of in (states.source, states.base))
                right = told_apart(fitted.vectors[method][key], fitted.middle[key], *both)
                table = pd.DataFrame(2 * right.T).assign(pair_id=ids[rows])
                by_pair = table.groupby("pair_id", sort=False)
                sums = by_pair.sum().melt(ignore_index=False, var_name="layer", value_name="right")
                sums = sums.assign(states=2 * by_pair.size(), role=role, method=method)
                parts.append(sums.reset_index())
    table = pd.concat(parts, ignore_index=True).assign(direction=direction)
    told: pd.DataFrame = table.assign(cluster_id=table["pair_id"].map(cluster))[TOLD]
    return told
