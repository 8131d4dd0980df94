"""What heads write when the negation comes in: absence, or less of the noun?

A head's output changes by w from the affirmative to the negated sentence, at the role where it
changes most (`patching/head_writes.py`; mean square over all pairs).  Of the hidden state that its
block puts out there, w is measured along two directions, of length 1:

    negation   difference of means, negated - affirmative, of the other half of the clusters
    noun       mean over affirmative sentences with the pair's subject, minus the mean over all
               affirmative sentences of the other half: what the noun makes of the state (a
               mean-centred concept vector, Jorgensen et al. 2023, arXiv 2312.03813)

and shown as a share of the whole change along negation, or of the noun's own length.  A head that
adds to the negation constructs; one that takes from the noun suppresses.  Controls are the same
head's w by a neutral swap of the sentence, and w along a random direction or another pair's noun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from negtrace.analyses.fitted_directions import (
    clusters_of,
    halves,
    moments_by,
    other,
    roles_of,
)
from negtrace.models.tower import TextTower
from negtrace.patching.edges import check_stream
from negtrace.patching.forward_passes import as_array
from negtrace.patching.head_writes import write_lengths, writes_along
from negtrace.patching.random_direction import pair_seed, unit_vectors
from negtrace.patching.role_states import role_states
from negtrace.patching.sentences import SentencePair, sentence_pairs
from negtrace.progress import silent
from negtrace.statistics.directions import difference_of_means, unit

NEGATE = "negate"  # whatever the study patches: affirmative base, negated source
NEGATION, NOUN = "negation", "noun"
SUBJECT = ("subject_first", "subject_rest")
CONTROL = {NEGATION: "random", NOUN: "another noun"}
COLUMNS = [
    *("pair_id", "cluster_id", "layer", "head", "role", "axis"),
    *("along", "whole", "swap", "control"),
]

# Directions of hidden states 0..L for some pairs, by their places among all.
Axis = Callable[[Sequence[int]], Float64[Tensor, "rows hidden_states width"]]
Heads = Float64[np.ndarray, "pairs blocks heads"]


def head_writes(
    tower: TextTower,
    tables: Mapping[str, pd.DataFrame],
    seed: int,
    memory_gb: float = 2.0,
    progress: Callable[..., Any] = silent,
) -> pd.DataFrame:
    """Every head's write along the negation and along the noun, pair by pair.

    Args:
        tables: alignment, placebo_alignment and segments.
        seed: of the halves, random directions and other nouns.
        progress: as in `restoration.sweep`.

    Returns:
        `COLUMNS`, means over the tokens of the head's role: along, of w, and whole, which it is a
        share of; swap, along for the neutral swap (null where the pair has none); control, w along
        the direction in `CONTROL`.

    Raises:
        InputError: see `edges.check_stream`.
    """
    check_stream(tower.shape)
    segments, alignment = tables["segments"], tables["alignment"]
    half = halves(segments, seed)
    pairs = [pair for pair in sentence_pairs(alignment) if pair.pair_id in half]
    swaps = [pair for pair in sentence_pairs(tables["placebo_alignment"]) if pair.pair_id in half]
    place = {pair.pair_id: i for i, pair in enumerate(pairs)}
    role_of = strongest_roles(tower, pairs, memory_gb)
    cluster = clusters_of(segments)
    parts = []
    roles = [role for role in roles_of(pairs, NEGATE) if role in set(role_of.ravel())]
    bar = progress(total=len(roles), desc="writes of heads", unit="role")
    for role in roles:
        axes, whole = axes_at(tower, pairs, role, half, seed, memory_gb)
        found = projected(tower, pairs, role, axes, place, memory_gb)
        swapped = projected(tower, swaps, role, {a: axes[a] for a in CONTROL}, place, memory_gb)
        blocks, heads = np.nonzero(role_of == role)
        for axis, control in CONTROL.items():
            chosen = {
                "along": found[axis],
                "whole": np.broadcast_to(whole[axis][:, :, None], found[axis].shape),
                "swap": swapped[axis],
                "control": found[control],
            }
            of = {name: values[:, blocks, heads].ravel() for name, values in chosen.items()}
            table = pd.DataFrame(of).assign(
                pair_id=np.repeat([pair.pair_id for pair in pairs], len(blocks)),
                layer=np.tile(blocks + 1, len(pairs)),
                head=np.tile(heads + 1, len(pairs)),
                role=role,
                axis=axis,
            )
            parts.append(table[table["along"].notna()])
        bar.update(1)
    bar.close()
    found_all = pd.concat(parts, ignore_index=True)
    return found_all.assign(cluster_id=found_all["pair_id"].map(cluster))[COLUMNS]


def strongest_roles(
    tower: TextTower, pairs: Sequence[SentencePair], memory_gb: float
) -> np.ndarray:
    """The role at which each head's write changes most, by its mean square [blocks, heads]."""
    roles = roles_of(pairs, NEGATE)
    blocks, heads = tower.shape.layers, tower.shape.heads
    squares, counts = np.zeros((len(roles), blocks, heads)), np.ones(len(roles))
    for number, role in enumerate(roles):
        for states in role_states(tower, pairs, role, NEGATE, memory_gb):
            for block in range(1, blocks + 1):
                lengths = as_array(write_lengths(tower, block, states.z_changes(block)).double())
                squares[number, block - 1] += (lengths**2).sum(0)
            counts[number] += len(states.pairs)
    largest = (squares / counts[:, None, None]).argmax(0)
    strongest: np.ndarray = np.array(roles, dtype=object)[largest]
    return strongest


def axes_at(
    tower: TextTower,
    pairs: Sequence[SentencePair],
    role: str,
    half: Mapping[str, str],
    seed: int,
    memory_gb: float,
) -> tuple[dict[str, Axis], dict[str, Float64[np.ndarray, "pairs blocks"]]]:
    """Unit directions at a role by name, and what the study's own two are shares of.

    Another noun is that of a pair drawn at random among those with another subject.
    """
    by_half = moments_by(tower, pairs, role, NEGATE, half, products=False, memory_gb=memory_gb)
    width, states = tower.shape.width, tower.shape.layers + 1
    nothing = np.zeros((states, width))
    negation = {h: nothing for h in ("0", "1")}
    centre = dict(negation)
    for fitted_on, of in by_half.items():
        negation[other(fitted_on)] = unit(difference_of_means(of))
        centre[other(fitted_on)] = of.base / of.n
    own_half = [half[pair.pair_id] for pair in pairs]
    nouns = np.zeros((len(pairs), states, width))
    whole, counts = np.zeros((len(pairs), states)), np.zeros(len(pairs))
    for found in role_states(tower, pairs, role, NEGATE, memory_gb):
        base, source = (as_array(x.double()) for x in (found.base, found.source))
        for row, pair in enumerate(found.pairs):
            nouns[pair] += base[:, row] - centre[own_half[pair]]
            change = source[:, row] - base[:, row]
            whole[pair] += np.einsum("sw,sw->s", change, negation[own_half[pair]])
            counts[pair] += 1
    there = np.maximum(counts, 1)[:, None]
    nouns, whole = nouns / there[..., None], whole / there
    subject, having = subjects_of(pairs), counts > 0
    for of_one in (np.flatnonzero((subject == name) & having) for name in np.unique(subject)):
        nouns[of_one] = nouns[of_one].mean(0, keepdims=True)
    lengths = np.linalg.norm(nouns, axis=-1)
    nouns = unit(nouns)
    noise = unit_vectors(pair_seed(seed, role), (states, 1, 1, width))[:, 0, 0]
    another = other_nouns(subject, having, seed)
    axes: dict[str, Axis] = {
        NEGATION: lambda at: torch.from_numpy(np.stack([negation[own_half[i]] for i in at])),
        NOUN: lambda at: torch.from_numpy(nouns[list(at)]),
        CONTROL[NEGATION]: lambda at: noise.expand(len(at), -1, -1),
        CONTROL[NOUN]: lambda at: torch.from_numpy(nouns[another[list(at)]]),
    }
    return axes, {NEGATION: whole[:, 1:], NOUN: lengths[:, 1:]}


def subjects_of(pairs: Sequence[SentencePair]) -> np.ndarray:
    """A number for every pair's subject, by its tokens; pairs without one have each their own."""
    keys = [
        tuple(token for token, role in zip(s.tokens, s.roles, strict=True) if role in SUBJECT)
        for s in (pair.affirmative for pair in pairs)
    ]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] if key else -1 - i for i, key in enumerate(keys)])


def other_nouns(subject: np.ndarray, there: np.ndarray, seed: int) -> np.ndarray:
    """For each pair the place of one with another subject; its own where there is none.

    Args:
        subject: of every pair (`subjects_of`).
        there: whether a pair has the role.
    """
    order = np.random.default_rng(seed).permutation(np.flatnonzero(there))
    found = np.arange(len(subject))
    for at, pair in enumerate(order):
        following = np.roll(order, -at)[1:]
        differing = following[subject[following] != subject[pair]]
        found[pair] = differing[0] if len(differing) else pair
    return found


def projected(
    tower: TextTower,
    pairs: Sequence[SentencePair],
    role: str,
    axes: Mapping[str, Axis],
    place: Mapping[str, int],
    memory_gb: float,
) -> dict[str, Heads]:
    """What every head writes along every axis, of the state that its block puts out.

    Args:
        place: of every pair among all, by pair_id.

    Returns:
        means over a pair's tokens [all pairs, blocks, heads]; NaN for pairs that are not here.
    """
    shape = (len(place), tower.shape.layers, tower.shape.heads)
    sums, counts = {axis: np.zeros(shape) for axis in axes}, np.zeros(len(place))
    for states in role_states(tower, pairs, role, NEGATE, memory_gb):
        at = np.array([place[pairs[i].pair_id] for i in states.pairs])
        np.add.at(counts, at, 1)
        for axis, directions_of in axes.items():
            directions = directions_of(at.tolist()).to(tower.device)
            for block in range(1, tower.shape.layers + 1):
                changes = states.z_changes(block)
                along = writes_along(tower, block, changes, directions[:, block])
                np.add.at(sums[axis][:, block - 1], at, as_array(along.double()))
    with np.errstate(invalid="ignore"):
        return {axis: total / counts[:, None, None] for axis, total in sums.items()}
