"""Tails: which rows of which base runs a group of patches can change.

Patches are grouped so that everything in a group is one dense tensor: the rows that change are the
last m up to the pooled position, so sentences of different length share a group when they have the
same number of rows left.  Rows before the tail form its prefix, padded in front.

Every tensor of patched states has one layout, [rows, cells, B, features].  Rows come first, so that
attention, which multiplies the rows of one sentence's head, reads queries, keys and values where
the projections left them, and the base run's keys meet the queries of all cells in one product.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from negtrace.models.alignment import PADDING
from negtrace.models.tower import TowerShape
from negtrace.patching.forward_passes import Run
from negtrace.patching.sentences import Sentence

ALL_POSITIONS = -1


@dataclass(frozen=True)
class PositionSet:
    """Positions of one pair's base sentence that are patched together, and where from.

    Attributes:
        pair: index of the pair in its batch.
        label: the position, or `ALL_POSITIONS`.
        targets: patched positions of the base sentence, ascending.
        sources: for each target, the position of the source sentence that it is copied from.
    """

    pair: int
    label: int
    targets: tuple[int, ...]
    sources: tuple[int, ...]


@dataclass(frozen=True)
class PairBatch:
    """Base runs of a batch of pairs, and the runs that patches are copied from.

    Attributes:
        source_is_run: whether `source` is a forward pass, so that its queries, keys and values
            follow from its hidden states (not so for zeros and means).
    """

    base: Run
    source: Run
    source_is_run: bool = True


@dataclass(frozen=True)
class Tail:
    """One position set of each of B pairs, all of them changing m rows.

    Attributes:
        sets: the position sets, in batch order.
        pairs: index of each set's pair in the `PairBatch`.
        rows: base positions that are recomputed.
        prefix: base positions before the rows; shorter prefixes are padded in front.
        prefix_mask: added to attention scores of the prefix, -inf at its padding.
        mask: added to attention scores among the rows.  One for all sets: counted from a tail's
            first row, every sentence's rows see the same of one another.
        replaced: which rows the patch replaces.
        source_rows: source position of each replaced row (0 elsewhere).
        pooled: which of the rows the sentence embedding is read from.
    """

    sets: tuple[PositionSet, ...]
    pairs: Int[Tensor, " B"]
    rows: Int[Tensor, "m B"]
    prefix: Int[Tensor, "P B"]
    prefix_mask: Float[Tensor, "B P"]
    mask: Float[Tensor, "m m"]
    replaced: Bool[Tensor, "m B"]
    source_rows: Int[Tensor, "m B"]
    pooled: Int[Tensor, " B"]

    def at(
        self, activation: Float[Tensor, "pairs n features"], positions: Int[Tensor, "rows B"]
    ) -> Float[Tensor, "rows 1 B features"]:
        """An activation of each set's pair, at positions of their own."""
        return activation[self.pairs, positions][:, None]

    def pooled_row(
        self, states: Shaped[Tensor, "m cells B features"]
    ) -> Shaped[Tensor, "1 cells B features"]:
        """The one row of each set that is read out."""
        return states.gather(0, self.pooled[None, None, :, None].expand(1, *states.shape[1:]))


def position_sets(
    pair: int, base: Sentence, sources: Sequence[int], positions: str | Sequence[str]
) -> Iterator[PositionSet]:
    """What is patched together in one base sentence.

    Args:
        pair: index of the pair in its batch.
        sources: for each base position, the source position it is copied from, or -1.
        positions: ``each`` position for itself (all padding as one), ``all`` at once, or all
            tokens of these roles at once (no set where the sentence has none of them with a
            counterpart).
    """
    matched = [(target, origin) for target, origin in enumerate(sources) if origin >= 0]
    if positions == "each":
        padding = [both for both in matched if base.roles[both[0]] == PADDING]
        for target, origin in matched:
            if base.roles[target] != PADDING:
                yield PositionSet(pair, target, (target,), (origin,))
        if padding:
            yield PositionSet(pair, base.roles.index(PADDING), *zip(*padding, strict=True))
        return
    if positions != "all":
        matched = [
            (target, origin) for target, origin in matched if base.roles[target] in positions
        ]
    if matched:
        yield PositionSet(pair, ALL_POSITIONS, *zip(*matched, strict=True))


def make_tails(
    sets: Sequence[PositionSet],
    base: Run,
    first_rows: Sequence[int],
    shape: TowerShape,
    max_rows: int,
) -> Iterator[Tail]:
    """Group position sets into tails of at most `max_rows` rows (at least one set each).

    Args:
        first_rows: for each set, the first row that its patch changes.
    """
    n = base.resid.shape[2]
    pooled = base.pooled.tolist()
    groups: dict[int, list[tuple[PositionSet, int]]] = defaultdict(list)
    for position_set, first in zip(sets, first_rows, strict=True):
        start = max(first, min(position_set.targets)) if shape.causal else 0
        end = pooled[position_set.pair] + 1 if shape.causal else n
        groups[end - start].append((position_set, start))
    for m in sorted(groups):
        size = max(1, max_rows // m)
        for i in range(0, len(groups[m]), size):
            yield _tail(groups[m][i : i + size], m, base, shape)


def _tail(members: Sequence[tuple[PositionSet, int]], m: int, base: Run, shape: TowerShape) -> Tail:
    sets = tuple(position_set for position_set, _ in members)
    starts = torch.tensor([start for _, start in members])
    pairs = torch.tensor([s.pair for s in sets])
    longest = int(starts.max())
    prefix = starts - longest + torch.arange(longest)[:, None]
    replaced = torch.zeros(m, len(sets), dtype=torch.bool)
    source_rows = torch.zeros(m, len(sets), dtype=torch.long)
    for i, position_set in enumerate(sets):
        for target, source in zip(position_set.targets, position_set.sources, strict=True):
            row = target - int(starts[i])
            if row >= 0:  # the runs do not differ before the tail
                replaced[row, i] = True
                source_rows[row, i] = source
    seen = torch.ones(m, m, dtype=torch.bool)
    if shape.causal:
        seen = seen.tril()
        # A causal tail ends with the pooled row; a class token does not see itself.
        seen[-1, -1] = shape.pool != "class"
    like = base.resid
    return Tail(
        sets=sets,
        pairs=pairs.to(like.device),
        rows=(starts + torch.arange(m)[:, None]).to(like.device),
        prefix=prefix.clamp(min=0).to(like.device),
        prefix_mask=_additive(prefix.T >= 0).to(like),
        mask=_additive(seen).to(like),
        replaced=replaced.to(like.device),
        source_rows=source_rows.to(like.device),
        pooled=base.pooled[pairs.to(like.device)] - starts.to(like.device),
    )


def _additive(visible: Bool[Tensor, "queries keys"]) -> Float[Tensor, "queries keys"]:
    """0 where a query sees a key, -inf elsewhere."""
    return torch.zeros(visible.shape).masked_fill_(~visible, float("-inf"))
