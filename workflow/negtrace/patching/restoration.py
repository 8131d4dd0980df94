"""Restoration sweeps: how much of the source run's score each patched cell brings back.

    R(cell) = (S_patched - S_base) / (S_source - S_base)

Every distinct pair is patched once (`propagation.py`); the images of its items enter by one dot
product (`score_grid.py`).  Cells whose value follows from the definitions are filled in as `known`,
not computed (`known_cells.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pandas as pd
import torch

from negtrace.errors import InputError
from negtrace.models.edits import first_difference
from negtrace.models.tower import TextTower
from negtrace.patching.ablated_runs import RoleMeans, mean_run, role_means, zero_run
from negtrace.patching.batch_sizes import batch_sizes, in_batches
from negtrace.patching.forward_passes import Run, as_array, run_sentences
from negtrace.patching.interventions import Intervention, as_intervention
from negtrace.patching.known_cells import known_layers
from negtrace.patching.propagation import patched_embeddings
from negtrace.patching.random_direction import pair_seed, random_run
from negtrace.patching.score_grid import ScoreGrid, make_study, tidy
from negtrace.patching.sentences import SentencePair
from negtrace.patching.sites import Cell
from negtrace.patching.tails import PairBatch, PositionSet, make_tails, position_sets
from negtrace.progress import silent
from negtrace.vocabulary import BASE_OF, SOURCE_OF

# Base run, source run and their pairs -> what is copied from in the place of the source run, at the
# base sentences' positions.  Tokens that it makes different have different numbers in `Run.of`.
StandIn: TypeAlias = Callable[[Run, Run, Sequence[SentencePair]], Run]


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
    stand_in: StandIn | None = None,
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
        stand_in: of donor ``given``.

    Returns:
        the table ``sweep``, ordered by item, layer, head and position.

    Raises:
        InputError: the intervention is not defined, or not for this tower, or lacks its stand-in.
    """
    intervention = as_intervention(intervention)
    cells = intervention.cells(tower.shape)
    study = make_study(alignment, candidates, images, scores, direction, logit_scale)
    longest = max(len(s.tokens) for p in study.pairs for s in (p.negated, p.affirmative))
    base_longest = max(len(p.sentence(BASE_OF[direction]).tokens) for p in study.pairs)
    grid = ScoreGrid(study, cells, base_longest if intervention.at == "each" else 1)
    size, max_rows = batch_sizes(
        tower.shape, len(cells), longest, tower.dtype.itemsize, memory_gb, tower.device.type
    )
    means = role_means(tower, study.pairs, size) if intervention.donor == "mean" else None
    bar = progress(total=len(study.pairs), desc=f"{intervention.site} {direction}", unit="pair")

    def compute(pairs: Sequence[SentencePair], start: int) -> None:
        sweep_batch(tower, intervention, pairs, direction, start, grid, max_rows, means, stand_in)

    in_batches(study.pairs, size, compute, bar)
    return tidy(grid, candidates, intervention, direction)


def sweep_batch(
    tower: TextTower,
    intervention: Intervention,
    pairs: Sequence[SentencePair],
    direction: str,
    first_index: int,
    grid: ScoreGrid[Cell],
    max_rows: int,
    means: RoleMeans | None = None,
    stand_in: StandIn | None = None,
) -> None:
    """Sweep one batch of pairs into the grid.

    Args:
        first_index: index of the batch's first pair in the study.
        means: means by role, for mean ablation.
        stand_in: for donor ``given``.
    """
    shape, site = tower.shape, intervention.place
    bases = [pair.sentence(BASE_OF[direction]) for pair in pairs]
    sources = [pair.sentence(SOURCE_OF[direction]) for pair in pairs]
    batch = pair_batch(tower, intervention, pairs, direction, means, stand_in)
    pooled = batch.base.pooled.tolist()
    copied, alone = intervention.donor == "source", intervention.ignores_source
    groups: dict[tuple[int, ...], list[PositionSet]] = {}
    for i, (base, source) in enumerate(zip(bases, sources, strict=True)):
        origins = intervention.sources(base, source)
        for place in position_sets(i, base, origins, intervention.at):
            grid.allow(first_index + i, place.label)
            origin = None if alone else source
            known = known_layers(site, shape, place, base, origin, pooled[i], copied)
            unknown = []
            for number, cell in enumerate(grid.cells):
                if len(cell.parts) == 1 and cell.layer in known:
                    grid.fill_known(first_index + i, place.label, number, known[cell.layer])
                else:
                    unknown.append(number)
            if unknown:
                groups.setdefault(tuple(unknown), []).append(place)
    for numbers, places in groups.items():
        cells = [grid.cells[number] for number in numbers]
        first_rows = [
            0 if alone else first_difference(bases[p.pair].tokens, sources[p.pair].tokens)
            for p in places
        ]
        for tail in make_tails(places, batch, first_rows, shape, max_rows):
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
    pairs: Sequence[SentencePair],
    direction: str,
    means: RoleMeans | None,
    stand_in: StandIn | None,
) -> PairBatch:
    """Base runs, and the runs or stand-ins that activations are copied from."""
    bases = [pair.sentence(BASE_OF[direction]) for pair in pairs]
    sentences = [s.tokens for s in bases]
    if intervention.ignores_source:
        base = run_sentences(tower, sentences)
        if intervention.donor == "base":
            return PairBatch(base, base)
        donor = zero_run(base) if means is None else mean_run(base, bases, means)
        return PairBatch(base, donor, source_is_run=False)
    sentences += [pair.sentence(SOURCE_OF[direction]).tokens for pair in pairs]
    both = run_sentences(tower, sentences)
    base, source = both.part(slice(len(pairs))), both.part(slice(len(pairs), None))
    if intervention.donor == "source":
        return PairBatch(base, source)
    if intervention.donor == "given":
        if stand_in is None:
            raise InputError("donor given: pass to sweep the stand_in that makes its run")
        return PairBatch(base, stand_in(base, source, pairs), source_is_run=False)
    seeds = [pair_seed(intervention.seed, pair.pair_id) for pair in pairs]
    part, heads = intervention.place.activation, tower.shape.heads
    donor = random_run(base, source, bases, heads, seeds, part)
    return PairBatch(base, donor, source_is_run=False)
