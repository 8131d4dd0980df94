"""Negation directions of a study: fitted on one half of the clusters, patched into the other.

At every role and hidden state two directions are fitted (`statistics/directions.py`) and patched
alone (`patching/subspace.py`).  Where that is worth something, states are moved as far along random
directions, too.  Where a design says in which template, with which negator, a pair is written, each
one's own direction is patched into the pairs of all others, at the token that is read out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from negtrace.analyses.fitted_directions import (
    METHODS,
    clusters_of,
    fitted_directions,
    halves,
    other,
    read_role,
    told_by,
)
from negtrace.analyses.level_directions import COLUMNS as COSINE
from negtrace.analyses.level_directions import cosines_of, level_changes
from negtrace.analyses.templates import FACTORS
from negtrace.models.tower import TextTower
from negtrace.patching.interventions import Intervention
from negtrace.patching.random_direction import pair_seed, unit_vectors
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import pictured
from negtrace.patching.sentences import SentencePair, sentence_pairs
from negtrace.patching.subspace import Key, Subspace
from negtrace.progress import silent
from negtrace.statistics.directions import RANDOM, unit
from negtrace.statistics.map_values import item_values

PLACE = ["direction", "layer", "position", "role"]
FITTED = ["method", "draw", "factor", "fitted_on", "tested_on"]
COLUMNS = ["item_id", "pair_id", *PLACE, *FITTED, "s_patched", "restoration"]
COSINES = ["direction", "factor", "role", *COSINE]


def units(vectors: Mapping[Key, np.ndarray]) -> dict[Key, Tensor]:
    return {key: torch.from_numpy(unit(of)) for key, of in vectors.items()}


def study_directions(
    tower: TextTower,
    tables: Mapping[str, pd.DataFrame],
    designs: pd.DataFrame | None,
    direction: str,
    draws: int,
    shrinkage: float,
    least: float,
    seed: int,
    memory_gb: float = 2.0,
    progress: Callable[..., Any] = silent,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Patch the negation directions of a study, and ask how well they tell its states apart.

    Args:
        tables: alignment, candidates, images, scores and segments.
        designs: template and negator of every item of a templates dataset, or None.
        direction: ``negate`` or ``affirm``.
        draws: random directions at every hidden state.
        shrinkage: of the probe (`directions.probe`).
        least: share of d that a direction is worth somewhere at a role, for random ones to be
            patched there.
        seed: of the halves and of random directions.
        memory_gb, progress: as in `restoration.sweep`.

    Returns:
        `COLUMNS`: a row per item, token and hidden state that is computed, and direction; method is
        ``difference``, ``probe`` or ``random`` (numbered by draw), factor is null, or the factor of
        the design whose level fitted_on has the direction while the item is of level tested_on;
        position is null there.
        `fitted_directions.TOLD`: of a pair's states, how many its directions put on the right side.
        `COSINES` (`level_directions.cosines_of`): between the directions of two levels; that of a
        level with itself says how well directions of so few pairs can agree.
    """
    segments = tables["segments"]
    items = pictured(tables["candidates"], tables["images"])
    items = items[items["item_id"].isin(segments["item_id"])].reset_index(drop=True)
    alignment = tables["alignment"]
    alignment = alignment[alignment["pair_id"].isin(set(items["pair_id"]))]
    pairs, half = sentence_pairs(alignment), halves(segments, seed)
    fitted = fitted_directions(tower, pairs, direction, half, shrinkage, memory_gb)

    def patched(
        read: Mapping[Key, Tensor],
        write: Mapping[Key, Tensor],
        role: str | None = None,
        of: pd.DataFrame = alignment,
    ) -> pd.DataFrame:
        subspace = Subspace(direction, half, read, write)
        swept = sweep(
            tower,
            of,
            items,
            tables["images"],
            tables["scores"],
            Intervention("resid", None if role is None else (role,), donor="given"),
            direction,
            tower.identity["logit_scale"],
            memory_gb,
            progress,
            stand_in=subspace.stand_in,
        )
        return swept[swept["eligible"] & ~swept["known"]]

    along = {method: units(fitted.vectors[method]) for method in METHODS}
    parts = [patched(along[m], along[m]).assign(method=m) for m in METHODS]
    roles = strong_roles(parts, tables["scores"], segments, least)
    strong = alignment.assign(
        counterpart=alignment["counterpart"].where(alignment["role"].isin(roles))
    )
    for draw in range(1, draws + 1):
        noise = random_units(along["difference"], f"{seed}|{draw}")
        swept = patched(along["difference"], noise, of=strong)
        parts.append(swept.assign(method=RANDOM, draw=draw))
    told = told_by(tower, pairs, direction, half, fitted, segments, memory_gb)
    cosines = [pd.DataFrame(columns=COSINES)]
    role, cluster = read_role(tower, pairs, direction), dict(clusters_of(segments))
    for factor, level in levels_of(pairs, items, designs):
        found = level_changes(tower, pairs, role, direction, half, level, cluster, memory_gb)
        cosines.append(cosines_of(found).assign(direction=direction, factor=factor, role=role))
        tested_on = items["pair_id"].map(level).set_axis(items["item_id"])
        for name in sorted(set(level.values())):
            of_level = {
                (other(of_half), role): torch.from_numpy(unit(of.sum(0)))
                for (of_half, one), of in found.items()
                if one == name
            }
            swept = patched(of_level, of_level, role).assign(method="difference", factor=factor)
            parts.append(swept.assign(fitted_on=name, tested_on=swept["item_id"].map(tested_on)))
    found_all = pd.concat([part.reindex(columns=COLUMNS) for part in parts], ignore_index=True)
    names = found_all[["factor", "fitted_on", "tested_on"]].astype(object)
    found_all[names.columns] = names.where(names.notna(), None)  # null in all rows is no float
    return found_all, told, pd.concat(cosines, ignore_index=True)[COSINES]


def strong_roles(
    patched: Sequence[pd.DataFrame], scores: pd.DataFrame, segments: pd.DataFrame, least: float
) -> list[str]:
    """Roles at which some direction of some hidden state is worth a share of d, either way."""
    found: set[str] = set()
    for swept in patched:
        values = item_values(swept, scores, segments)
        sums = values.groupby(["layer", "role"], observed=True)[["change", "d"]].sum()
        strong = sums[sums["change"].abs() >= least * sums["d"].abs()]
        found |= set(strong.index.get_level_values("role").astype(str))
    return sorted(found)


def random_units(like: Mapping[Key, Tensor], seed: str) -> dict[Key, Tensor]:
    """For every role a random direction of each hidden state, the same in both halves."""
    by_role: dict[str, Tensor] = {}
    for (_, role), of in like.items():
        noise = unit_vectors(pair_seed(0, f"{seed}|{role}"), (len(of), 1, 1, of.shape[-1]))
        by_role[role] = noise[:, 0, 0]
    return {(half, role): by_role[role] for half, role in like}


def levels_of(
    pairs: Sequence[SentencePair], items: pd.DataFrame, designs: pd.DataFrame | None
) -> Iterator[tuple[str, dict[str, str]]]:
    """Every factor of the design that has several levels, with the level of each pair."""
    if designs is None:
        return
    of_item = items[["item_id", "pair_id"]].astype(str).merge(designs.astype(str), on="item_id")
    for factor in FACTORS:
        level = dict(zip(of_item["pair_id"], of_item[factor], strict=True))
        if len(set(level.values())) > 1:
            yield factor, level
