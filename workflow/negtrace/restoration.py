"""Restoration sweeps: how much of the source run's score each patched cell brings back.

    R(cell) = (S_patched - S_base) / (S_source - S_base)

Every distinct pair is patched once (`propagation.py`); the images of its items enter by one dot
product.  Cells whose value follows from the definitions (rows before the first difference, hidden
state 0 where the tokens agree or where the patch completes the source sentence, hidden state L)
are filled in as `known`, not computed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from tqdm import tqdm

from negtrace.alignment import PADDING, first_difference
from negtrace.donors import RoleMeans, mean_run, role_means, zero_run
from negtrace.errors import InputError
from negtrace.interventions import Intervention
from negtrace.propagation import ROWS_PER_PRODUCT, patched_embeddings
from negtrace.runs import (
    BASE_OF,
    SOURCE_OF,
    Sentence,
    SentencePair,
    as_array,
    item_vectors,
    run_bytes,
    run_sentences,
    sentence_pairs,
)
from negtrace.sites import Cell, Site
from negtrace.tails import PairBatch, PositionSet, make_tails, position_sets
from negtrace.tower import TextTower, TowerShape

silent = partial(tqdm, disable=True)

Known = Literal["base", "source"]


def known_layers(
    site: Site,
    shape: TowerShape,
    cells: PositionSet,
    base: Sentence,
    source: Sentence | None,
    pooled: int,
) -> dict[int, Known]:
    """The layers at which a position set's score is, by definition, that of one of the runs.

    Args:
        source: the source sentence, or None where the source is not a run.
    """
    layers = site.layers(shape)
    counts_hidden_states = site.first_layer == 0
    known: dict[int, Known] = {}
    if (
        source
        and shape.causal
        and max(cells.targets) < first_difference(base.tokens, source.tokens)
    ):
        return dict.fromkeys(layers, "base")
    if source and counts_hidden_states:
        changed = list(base.tokens)
        for target, origin in zip(cells.targets, cells.sources, strict=True):
            changed[target] = source.tokens[origin]
        if cells.targets == cells.sources:
            if tuple(changed) == base.tokens:
                known[0] = "base"
            elif tuple(changed) == source.tokens:
                known[0] = "source"
        if pooled in cells.targets:
            known[layers[-1]] = "source"
    if pooled not in cells.targets and site.local:
        known[layers[-1]] = "base"
    return known


@dataclass(frozen=True)
class Study:
    """What a sweep needs besides the tower: pairs, their items, and the unpatched scores.

    Attributes:
        pairs: distinct pairs.
        items: for each pair, the rows of its items.
        images: unit-norm image embedding of every item, float64 [items, embed_dim].
        s_base: score of the base sentence, float64 [items].
        s_source: score of the source sentence, float64 [items].
        logit_scale: factor between a cosine and a score.
    """

    pairs: list[SentencePair]
    items: list[np.ndarray]
    images: np.ndarray
    s_base: np.ndarray
    s_source: np.ndarray
    logit_scale: float

    def item_rows(self, pairs: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """For every item of the given pairs: which entry of `pairs` it is of, and its row."""
        items = [self.items[pair] for pair in pairs]
        return np.repeat(np.arange(len(pairs)), [len(i) for i in items]), np.concatenate(items)


class ScoreGrid:
    """Scores of patched sentences: one value per item, cell and position.

    Attributes:
        cells: the patched cells.
        s_patched: float64 [items, cells, positions or 1]; NaN where nothing is filled.
        known: same shape, whether the value is one by definition.
        eligible: whether there was something to patch [items, positions or 1].
    """

    def __init__(self, study: Study, cells: Sequence[Cell], positions: int) -> None:
        self.study = study
        self.cells = list(cells)
        size = (len(study.s_base), len(cells), positions)
        self.s_patched = np.full(size, np.nan)
        self.known = np.zeros(size, dtype=bool)
        self.eligible = np.zeros((size[0], positions), dtype=bool)

    def allow(self, pair: int, position: int) -> None:
        """Mark a position set of a pair as eligible."""
        self.eligible[self.study.items[pair], max(position, 0)] = True

    def fill_computed(
        self,
        pairs: Sequence[int],
        positions: Sequence[int],
        cells: Sequence[int],
        embeddings: Float[np.ndarray, "cells pairs embed_dim"],
    ) -> None:
        """Multiply patched embeddings with the images of each pair's items."""
        entry, item = self.study.item_rows(pairs)
        images = self.study.images[item]
        at = np.maximum(positions, 0)[entry]
        for cell, embedding in zip(cells, embeddings, strict=True):
            cosine = np.einsum("re,re->r", embedding[entry].astype(np.float64), images)
            self.s_patched[item, cell, at] = self.study.logit_scale * cosine

    def fill_known(self, pair: int, position: int, cell: int, value: Known) -> None:
        """Set a pair's cell to the score of one of its runs."""
        item = self.study.items[pair]
        scores = self.study.s_base if value == "base" else self.study.s_source
        self.s_patched[item, cell, max(position, 0)] = scores[item]
        self.known[item, cell, max(position, 0)] = True


def sweep_batch(
    tower: TextTower,
    intervention: Intervention,
    pairs: Sequence[SentencePair],
    direction: str,
    first_index: int,
    grid: ScoreGrid,
    max_rows: int,
    means: RoleMeans | None = None,
) -> None:
    """Sweep one batch of pairs into the grid.

    Args:
        first_index: index of the batch's first pair in the study.
        means: means by role, for mean ablation.
    """
    shape, site = tower.shape, intervention.place
    bases = [pair.sentence(BASE_OF[direction]) for pair in pairs]
    sources = [pair.sentence(SOURCE_OF[direction]) for pair in pairs]
    batch = pair_batch(tower, intervention, bases, sources, means)
    pooled = batch.base.pooled.tolist()
    copied = intervention.donor == "source"
    groups: dict[tuple[int, ...], list[PositionSet]] = {}
    for i, (base, source) in enumerate(zip(bases, sources, strict=True)):
        origins = intervention.sources(base, source)
        for place in position_sets(i, base, origins, intervention.at):
            grid.allow(first_index + i, place.label)
            known = known_layers(site, shape, place, base, source if copied else None, pooled[i])
            unknown = []
            for number, cell in enumerate(grid.cells):
                if len(cell.parts) <= 1 and cell.layer in known:
                    grid.fill_known(first_index + i, place.label, number, known[cell.layer])
                else:
                    unknown.append(number)
            if unknown:
                groups.setdefault(tuple(unknown), []).append(place)
    for numbers, places in groups.items():
        cells = [grid.cells[number] for number in numbers]
        first_rows = [
            first_difference(bases[p.pair].tokens, sources[p.pair].tokens) if copied else 0
            for p in places
        ]
        for tail in make_tails(places, batch.base, first_rows, shape, max_rows):
            embeddings = patched_embeddings(tower, batch, tail, site, cells, max_rows)
            grid.fill_computed(
                [first_index + s.pair for s in tail.sets],
                [s.label for s in tail.sets],
                numbers,
                as_array(embeddings),
            )


def pair_batch(
    tower: TextTower,
    intervention: Intervention,
    bases: Sequence[Sentence],
    sources: Sequence[Sentence],
    means: RoleMeans | None,
) -> PairBatch:
    """Base runs, and the runs or stand-ins that activations are copied from."""
    base = run_sentences(tower, [s.tokens for s in bases])
    if intervention.donor == "source":
        return PairBatch(base, run_sentences(tower, [s.tokens for s in sources]))
    donor = zero_run(base) if means is None else mean_run(base, bases, means)
    return PairBatch(base, donor, source_is_run=False)


def batch_size(shape: TowerShape, cells: int, longest: int, itemsize: int, memory_gb: float) -> int:
    """Pairs per batch so that runs, belt and temporaries fit the memory budget."""
    runs = 2 * run_bytes(shape, longest, itemsize)
    belt = cells * longest * shape.width * itemsize
    temporaries = ROWS_PER_PRODUCT["cpu"] * (shape.mlp_width * 2 + shape.width * 8) * itemsize
    return max(1, int((memory_gb * 2**30 - temporaries) / (runs + 2 * belt)))


def smaller_batch(size: int, error: RuntimeError) -> int:
    """Half the batch size after an error for want of memory; raises any other error again.

    Raises:
        InputError: a single pair does not fit.
    """
    on_cpu = "allocate memory" in str(error)
    if not (isinstance(error, torch.OutOfMemoryError) or on_cpu):
        raise error
    if size == 1:
        raise InputError(
            "a single pair does not fit into memory; use a larger machine, or compute.device: cpu"
        ) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    warnings.warn(
        f"out of memory with {size} pairs at once, going on with {size // 2}", stacklevel=2
    )
    return size // 2


@torch.inference_mode()
def sweep(
    tower: TextTower,
    alignment: pd.DataFrame,
    candidates: pd.DataFrame,
    images: pd.DataFrame,
    scores: pd.DataFrame,
    intervention: str | Intervention,
    direction: str,
    logit_scale: float,
    memory_gb: float = 2.0,
    progress: Callable[..., Any] = silent,
) -> pd.DataFrame:
    """Restoration of every cell of one intervention for every item.

    R is null where its denominator is 0 and in cells that are not eligible.

    Args:
        tower: text tower, on the device and in the precision of the computation.
        alignment, candidates, images, scores: tables of those names.
        intervention: the name of a site, or more exactly what to replace.
        direction: ``negate`` (source: negated run) or ``affirm`` (source: affirmative run).
        logit_scale: factor between a cosine and a score.
        memory_gb: budget for activations; the weights are not counted.  Where even that is too
            much for the machine, batches are halved until they fit.
        progress: called with ``total`` and ``desc``, returns a bar with ``update`` and ``close``.

    Returns:
        the table ``sweep``, ordered by item, layer, head and position.

    Raises:
        InputError: the intervention is not defined, or not for this tower.
    """
    if isinstance(intervention, str):
        intervention = Intervention(intervention)
    cells = intervention.cells(tower.shape)
    study = make_study(alignment, candidates, images, scores, direction, logit_scale)
    longest = max(len(s.tokens) for p in study.pairs for s in (p.negated, p.affirmative))
    base_longest = max(len(p.sentence(BASE_OF[direction]).tokens) for p in study.pairs)
    grid = ScoreGrid(study, cells, base_longest if intervention.at == "each" else 1)
    size = batch_size(tower.shape, len(cells), longest, tower.dtype.itemsize, memory_gb)
    max_rows = ROWS_PER_PRODUCT[tower.device.type]
    means = role_means(tower, study.pairs, size) if intervention.donor == "mean" else None
    bar = progress(total=len(study.pairs), desc=f"{intervention.site} {direction}", unit="pair")
    start = 0
    while start < len(study.pairs):
        pairs = study.pairs[start : start + size]
        try:
            sweep_batch(tower, intervention, pairs, direction, start, grid, max_rows, means)
        except RuntimeError as error:
            size = smaller_batch(len(pairs), error)
            continue
        start += len(pairs)
        bar.update(len(pairs))
    bar.close()
    return tidy(grid, candidates, intervention, direction)


def make_study(
    alignment: pd.DataFrame,
    candidates: pd.DataFrame,
    images: pd.DataFrame,
    scores: pd.DataFrame,
    direction: str,
    logit_scale: float,
) -> Study:
    """Collect what a sweep needs; pairs ordered by length so that batches are even."""
    pairs = sorted(sentence_pairs(alignment), key=lambda p: len(p.affirmative.tokens))
    rows = candidates.reset_index(drop=True).groupby("pair_id", observed=True).indices
    pairs = [pair for pair in pairs if pair.pair_id in rows]
    ordered = scores.set_index("item_id").loc[candidates["item_id"]]
    return Study(
        pairs=pairs,
        items=[rows[pair.pair_id] for pair in pairs],
        images=item_vectors(candidates, images),
        s_base=ordered[f"s_{BASE_OF[direction]}"].to_numpy(),
        s_source=ordered[f"s_{SOURCE_OF[direction]}"].to_numpy(),
        logit_scale=logit_scale,
    )


def tidy(
    grid: ScoreGrid, candidates: pd.DataFrame, intervention: Intervention, direction: str
) -> pd.DataFrame:
    """The grid as the table ``sweep``: one row per item and cell of the item's base sentence.

    Sets of heads are numbered from 1 in a column ``head_set`` of their own.
    """
    study = grid.study
    each = intervention.at == "each"
    role = np.full(grid.eligible.shape, role_label(intervention), dtype=object)
    exists = np.ones(grid.eligible.shape, dtype=bool)
    for pair, items in zip(study.pairs, study.items, strict=True):
        base = pair.sentence(BASE_OF[direction])
        if each:
            exists[items, len(base.tokens) :] = False
            padding = [i for i, name in enumerate(base.roles) if name == PADDING]
            exists[np.ix_(items, padding[1:])] = False  # patched with the first, as one
            role[items, : len(base.tokens)] = base.roles
    wanted = np.broadcast_to(exists[:, None, :], grid.s_patched.shape)
    item, cell, position = np.nonzero(wanted)
    s_patched = grid.s_patched[wanted]
    eligible = grid.eligible[item, position]
    span = study.s_source - study.s_base
    with np.errstate(divide="ignore", invalid="ignore"):
        restoration = (s_patched - study.s_base[item]) / span[item]
    restoration[~np.isfinite(restoration)] = np.nan
    heads = pd.array([c.head for c in grid.cells], dtype="Int16")
    sets = {"head_set": cell.astype(np.int16) + 1} if intervention.head_sets else {}
    layers = np.array([c.layer for c in grid.cells], dtype=np.int16)
    every = len(item)
    return pd.DataFrame(
        {
            "item_id": candidates["item_id"].to_numpy()[item],
            "pair_id": candidates["pair_id"].to_numpy()[item],
            "site": pd.Categorical.from_codes(np.zeros(every, dtype=int), [intervention.site]),
            "direction": pd.Categorical.from_codes(np.zeros(every, dtype=int), [direction]),
            "layer": layers[cell],
            "head": heads[cell],
            **sets,
            "position": pd.array(position if each else [pd.NA] * every, dtype="Int16"),
            "role": role[item, position],
            "eligible": eligible,
            "reason": pd.Series(np.where(eligible, None, intervention.reason), dtype="string"),
            "known": grid.known[wanted],
            "s_patched": s_patched,
            "restoration": restoration,
        }
    )


def role_label(intervention: Intervention) -> str:
    """What the table's column `role` says where several positions are patched at once."""
    return "all" if isinstance(intervention.at, str) else "+".join(intervention.at)
