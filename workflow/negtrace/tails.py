"""Tails: which rows of which base runs a group of patches can change.

Patches are grouped so that everything in a group is one dense tensor: the rows that change are the
last m up to the pooled position, so sentences of different length share a group when they have the
same number of rows left.  Rows before the tail form its prefix, padded on the left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from negtrace.alignment import PADDING
from negtrace.runs import Run, Sentence
from negtrace.tower import TowerShape

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
        prefix: base positions before the rows, left-padded with position 0.
        mask: additive attention mask of rows over prefix and rows; None if all is visible.
        replaced: which rows the patch replaces.
        source_rows: source position of each replaced row (0 elsewhere).
        pooled: which of the rows the sentence embedding is read from.
    """

    sets: tuple[PositionSet, ...]
    pairs: Int[Tensor, " B"]
    rows: Int[Tensor, "B m"]
    prefix: Int[Tensor, "B P"]
    mask: Float[Tensor, "B m keys"] | None
    replaced: Bool[Tensor, "B m"]
    source_rows: Int[Tensor, "B m"]
    pooled: Int[Tensor, " B"]

    def base(self, activation: Float[Tensor, "pairs n features"]) -> Float[Tensor, "B m features"]:
        """The base run's activation at the tail's rows."""
        return activation[self.pairs[:, None], self.rows]

    def base_prefix(self, activation: Float[Tensor, "pairs n features"]) -> Tensor:
        """The base run's activation before the tail's rows [B, P, features]."""
        return activation[self.pairs[:, None], self.prefix]

    def patched(
        self,
        base: Float[Tensor, "pairs n features"],
        source: Float[Tensor, "pairs k features"],
    ) -> Float[Tensor, "B m features"]:
        """The base run's activation at the rows, with the replaced rows taken from the source."""
        copied = source[self.pairs[:, None], self.source_rows]
        return torch.where(self.replaced[..., None], copied, self.base(base))

    def pooled_row(self, states: Float[Tensor, "*entries B m features"]) -> Tensor:
        """The one row of each sentence that is read out [*entries, B, 1, features]."""
        index = self.pooled.view(-1, 1, 1).expand(*states.shape[:-2], 1, states.shape[-1])
        return states.gather(-2, index)

    def in_block(self, block: int, shape: TowerShape) -> Tail:
        """The rows that a block has to compute: in the last one the pooled row alone."""
        return self.only_pooled() if block == shape.layers else self

    def only_pooled(self) -> Tail:
        """The same patches seen from the pooled row alone (the last block needs no other)."""
        first = torch.arange(len(self.pairs), device=self.pairs.device)
        return replace(
            self,
            rows=self.rows[first, self.pooled][:, None],
            mask=None if self.mask is None else self.mask[first, self.pooled][:, None],
            replaced=self.replaced[first, self.pooled][:, None],
            source_rows=self.source_rows[first, self.pooled][:, None],
            pooled=torch.zeros_like(self.pooled),
        )


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
    device, dtype = base.resid.device, base.resid.dtype
    sets = tuple(position_set for position_set, _ in members)
    starts = torch.tensor([start for _, start in members])
    pairs = torch.tensor([s.pair for s in sets])
    rows = starts[:, None] + torch.arange(m)
    longest = int(starts.max())
    prefix = starts[:, None] - longest + torch.arange(longest)
    replaced = torch.zeros(len(sets), m, dtype=torch.bool)
    source_rows = torch.zeros(len(sets), m, dtype=torch.long)
    for i, position_set in enumerate(sets):
        for target, source in zip(position_set.targets, position_set.sources, strict=True):
            row = target - int(starts[i])
            if 0 <= row < m:
                replaced[i, row] = True
                source_rows[i, row] = source
    mask = None
    if shape.causal:
        seen_prefix = (prefix >= 0)[:, None].expand(-1, m, -1)
        own_rows = torch.ones(m, m, dtype=torch.bool).tril()
        # A tail ends with the pooled row; a class token does not see itself.
        own_rows[-1, -1] = shape.pool != "class"
        seen_rows = own_rows.expand(len(sets), -1, -1)
        visible = torch.cat([seen_prefix, seen_rows], dim=-1)
        mask = torch.zeros(visible.shape, dtype=dtype).masked_fill_(~visible, float("-inf"))
        mask = mask.to(device)
    return Tail(
        sets=sets,
        pairs=pairs.to(device),
        rows=rows.to(device),
        prefix=prefix.clamp(min=0).to(device),
        mask=mask,
        replaced=replaced.to(device),
        source_rows=source_rows.to(device),
        pooled=base.pooled[pairs.to(device)] - starts.to(device),
    )
