"""Edge sweeps: the edges from all senders into some receivers, at the tokens of every role.

An edge's effect is the change of the score that patching it alone makes (`edge_patches.py`), on the
scale of restoration.  Left out are edges that can change nothing: at tokens before the first
difference of a causal tower, and in the last block at tokens that nothing reads any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from negtrace.errors import InputError
from negtrace.models.edits import first_difference
from negtrace.models.tower import TextTower
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.batch_sizes import batch_sizes, in_batches
from negtrace.patching.edge_patches import edge_embeddings
from negtrace.patching.edges import (
    READ_OUT,
    Edge,
    Receiver,
    Sender,
    check_stream,
    edges_into,
    every_sender,
)
from negtrace.patching.forward_passes import Run, as_array, run_sentences
from negtrace.patching.intervention_checks import ROLES
from negtrace.patching.interventions import Intervention
from negtrace.patching.random_direction import pair_seed, random_run
from negtrace.patching.score_grid import ScoreGrid, Study, make_study
from negtrace.patching.sentences import Sentence, SentencePair
from negtrace.patching.tails import PairBatch, PositionSet, make_tails, position_sets
from negtrace.progress import silent
from negtrace.vocabulary import BASE_OF, SOURCE_OF

EDGE = ["direction", "sender", "receiver", "role"]


@torch.inference_mode()
def edge_sweep(
    tower: TextTower,
    alignment: pd.DataFrame,
    candidates: pd.DataFrame,
    images: pd.DataFrame,
    scores: pd.DataFrame,
    receivers: Sequence[Receiver],
    direction: str,
    logit_scale: float,
    senders: Sequence[Sender] | None = None,
    roles: Sequence[str] = (),
    donor: Literal["source", "random"] = "source",
    seed: int = 0,
    memory_gb: float = 2.0,
    progress: Callable[..., Any] = silent,
) -> pd.DataFrame:
    """The patched score of every item with every edge.

    Args:
        tower, alignment, candidates, images, scores, direction, logit_scale, memory_gb, progress:
            as in `restoration.sweep`.
        receivers: whose inputs are patched.
        senders: what enters them; None: everything that writes before them.
        roles: of the tokens at which it does; none: of all.
        donor: ``source``, or ``random``: every sender's output is moved as far as by the source
            run, in a random direction (heads: their z).
        seed: of random directions.

    Returns:
        item_id, pair_id, `EDGE`, s_patched, restoration (null where the scores of both runs are
        equal); a row per item, edge and role of its base sentence.

    Raises:
        InputError: no sentence has such a token; see `edges.check_stream`.
    """
    check_stream(tower.shape)
    senders = every_sender(tower.shape) if senders is None else senders
    edges = edges_into(receivers, senders)
    study = make_study(alignment, candidates, images, scores, direction, logit_scale)
    bases = [pair.sentence(BASE_OF[direction]) for pair in study.pairs]
    there = {role for base in bases for role in base.roles}
    at = [role for role in ROLES if role in there and (role in roles or not roles)]
    if not at:
        raise InputError(
            f"no sentence has a token of the roles {', '.join(roles)}: roles of its sentences are "
            f"{', '.join(role for role in ROLES if role in there)}"
        )
    grid = ScoreGrid(study, edges, len(at))
    longest = max(len(s.tokens) for p in study.pairs for s in (p.negated, p.affirmative))
    most = max((sum(e.receiver == r for e in edges) for r in receivers), default=1)
    size, max_rows = batch_sizes(
        tower.shape, most, longest, tower.dtype.itemsize, memory_gb, tower.device.type
    )
    kind = Intervention("head", donor=donor, seed=seed)
    bar = progress(total=len(study.pairs), desc=f"edges {direction}", unit="pair")
    compute = partial(_sweep_batch, tower, kind, direction, at, grid, max_rows)
    in_batches(study.pairs, size, compute, bar)
    return _tidy(grid, candidates, direction, at)


def _sweep_batch(
    tower: TextTower,
    kind: Intervention,
    direction: str,
    roles: Sequence[str],
    grid: ScoreGrid[Edge],
    max_rows: int,
    pairs: Sequence[SentencePair],
    first_index: int,
) -> None:
    """Sweep one batch of pairs into the grid; kind: what an edge carries."""
    bases = [pair.sentence(BASE_OF[direction]) for pair in pairs]
    sources = [pair.sentence(SOURCE_OF[direction]) for pair in pairs]
    both = run_sentences(tower, [sentence.tokens for sentence in (*bases, *sources)])
    base, source = both.part(slice(len(pairs))), both.part(slice(len(pairs), None))
    if kind.donor == "random":
        seeds = [pair_seed(kind.seed, pair.pair_id) for pair in pairs]
        source = random_senders(base, source, bases, tower.shape.heads, seeds)
    batch = PairBatch(base, source, kind.donor == "source")
    pooled = base.pooled.tolist()
    differ = [first_difference(b.tokens, s.tokens) for b, s in zip(bases, sources, strict=True)]
    for receiver in dict.fromkeys(edge.receiver for edge in grid.cells):
        numbers = [i for i, edge in enumerate(grid.cells) if edge.receiver == receiver]
        senders = [grid.cells[i].sender for i in numbers]
        places = [
            place
            for i, (b, s) in enumerate(zip(bases, sources, strict=True))
            for place in places_of(i, b, kind.sources(b, s), roles)
            if can_matter(receiver, place, tower.shape, differ[i], pooled[i])
        ]
        first_rows = [differ[place.pair] for place in places]
        for tail in make_tails(places, batch, first_rows, tower.shape, max_rows):
            embeddings = edge_embeddings(tower, batch, tail, receiver, senders, max_rows)
            at = [first_index + place.pair for place in tail.sets]
            grid.fill_computed(at, [p.label for p in tail.sets], numbers, as_array(embeddings))


def places_of(
    pair: int, base: Sentence, sources: Sequence[int], roles: Sequence[str]
) -> Iterator[PositionSet]:
    """The tokens of each role of a base sentence, labelled by the role's number."""
    for number, role in enumerate(roles):
        for place in position_sets(pair, base, sources, (role,)):
            yield replace(place, label=number)


def can_matter(
    receiver: Receiver, place: PositionSet, shape: TowerShape, differ: int, pooled: int
) -> bool:
    """Whether an edge into the receiver at these tokens can change the sentence embedding.

    Args:
        differ: first position at which the two sentences differ.
        pooled: position that is read out.
    """
    if shape.causal and max(place.targets) < differ:
        return False
    # From here on only the pooled row is read, but for keys and values, which it reads itself.
    alone = receiver.reads == READ_OUT or (
        receiver.block == shape.layers and receiver.reads in ("q", "mlp")
    )
    return pooled in place.targets or not alone


def random_senders(
    base: Run, source: Run, bases: Sequence[Sentence], heads: int, seeds: Sequence[int]
) -> Run:
    """A stand-in for the source run with every sender's output turned (`random_direction.py`)."""
    turned = {
        part: random_run(base, source, bases, heads, seeds, part)
        for part in ("z", "mlp_out", "resid")
    }
    resid = torch.cat([turned["resid"].resid[:1], base.resid[1:]])
    return turned["z"]._replace(mlp_out=turned["mlp_out"].mlp_out, resid=resid)


def _tidy(
    grid: ScoreGrid[Edge], candidates: pd.DataFrame, direction: str, roles: Sequence[str]
) -> pd.DataFrame:
    """One row per item, edge and role that was patched."""
    study: Study = grid.study
    item, edge, role = np.nonzero(~np.isnan(grid.s_patched))
    s_patched = grid.s_patched[item, edge, role]
    span = study.s_source - study.s_base
    with np.errstate(divide="ignore", invalid="ignore"):
        restoration = (s_patched - study.s_base[item]) / span[item]
    restoration[~np.isfinite(restoration)] = np.nan

    def labels(codes: np.ndarray, of: Sequence[str]) -> pd.Categorical:
        names = list(dict.fromkeys(of))
        return pd.Categorical(np.array(of, object)[codes], categories=names)

    return pd.DataFrame(
        {
            "item_id": candidates["item_id"].to_numpy()[item],
            "pair_id": candidates["pair_id"].to_numpy()[item],
            "direction": labels(np.zeros(len(item), int), [direction]),
            "sender": labels(edge, [str(e.sender) for e in grid.cells]),
            "receiver": labels(edge, [str(e.receiver) for e in grid.cells]),
            "role": labels(role, roles),
            "s_patched": s_patched,
            "restoration": restoration,
        }
    )
