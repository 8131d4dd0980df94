"""Tails: which rows of which base runs a group of patches can change.

Patches are grouped so that everything in a group is one dense tensor: the rows that change are the
last m up to the pooled position, so sentences of different length share a group when they have the
same number of rows left.  Rows before the tail form its prefix, padded in front.

Pairs that begin alike have equal rows as far as they do: patched states are kept, and multiplied
with weights, once for each distinct row [rows, cells, features].  For attention they are spread out
[m, cells, B, features]: it multiplies the rows of one sentence's head, and the base run's keys meet
the queries of all cells in one product.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from negtrace.models.roles import PADDING
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.forward_passes import Run, beginnings, first_places
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


class Masks(NamedTuple):
    """Added to attention scores: 0 where a tail's row sees a key, -inf elsewhere."""

    prefix: Float[Tensor, "B P"]
    rows: Float[Tensor, "#B m m"]  # one for all sets, unless their sentences hide other keys


@dataclass(frozen=True)
class Tail:
    """One position set of each of B pairs, all of them changing m rows.

    Attributes:
        sets: the position sets, in batch order.
        pairs: index of each set's pair in the `PairBatch`.
        rows: base positions that are recomputed.
        prefix: base positions before the rows; shorter prefixes are padded in front.
        masks: what the rows see of the base run.
        replaced: which rows the patch replaces.
        source_rows: source position of each replaced row (0 elsewhere).
        pooled: which of the rows the sentence embedding is read from.
        of: which of the distinct rows each row is.
        first: row and set at which each distinct row stands first.
    """

    sets: tuple[PositionSet, ...]
    pairs: Int[Tensor, " B"]
    rows: Int[Tensor, "m B"]
    prefix: Int[Tensor, "P B"]
    masks: Masks
    replaced: Bool[Tensor, "m B"]
    source_rows: Int[Tensor, "m B"]
    pooled: Int[Tensor, " B"]
    of: Int[Tensor, "m B"]
    first: tuple[Int[Tensor, " rows"], Int[Tensor, " rows"]]

    def at(
        self, activation: Float[Tensor, "pairs n features"], positions: Int[Tensor, "m B"]
    ) -> Float[Tensor, "m 1 B features"]:
        """An activation of each set's pair, at positions of their own."""
        return activation[self.pairs, positions][:, None]

    def distinct(
        self, values: Shaped[Tensor, "m cells B features"]
    ) -> Shaped[Tensor, "rows cells features"]:
        """Each distinct row once."""
        row, member = self.first
        return values[row, :, member]

    def spread(
        self, states: Shaped[Tensor, "rows cells features"]
    ) -> Shaped[Tensor, "m cells B features"]:
        """The rows of every set; undoes `distinct`."""
        cells = torch.arange(states.shape[1], device=states.device)[:, None]
        return F.embedding(self.of[:, None] * len(cells) + cells, states.flatten(0, 1))

    def pooled_rows(
        self, states: Shaped[Tensor, "rows cells features"]
    ) -> Shaped[Tensor, "B cells features"]:
        """The one row of each set that is read out."""
        return states[self.of.gather(0, self.pooled[None])[0]]


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
    batch: PairBatch,
    first_rows: Sequence[int],
    shape: TowerShape,
    max_rows: int,
) -> Iterator[Tail]:
    """Group position sets into tails of at most `max_rows` rows (at least one set each).

    Sets that begin alike stand side by side, so that most of them share a tail.

    Args:
        first_rows: for each set, the first row that its patch changes.
    """
    base = batch.base
    lengths = (~base.hidden).sum(1).tolist()  # a tower without causal mask hides what is behind
    pooled, of_base, of_source = (x.tolist() for x in (base.pooled, base.of, batch.source.of))
    groups: dict[int, list[_Member]] = defaultdict(list)
    for position_set, first in zip(sets, first_rows, strict=True):
        start = max(first, min(position_set.targets)) if shape.causal else 0
        end = pooled[position_set.pair] + 1 if shape.causal else lengths[position_set.pair]
        origin = dict(zip(position_set.targets, position_set.sources, strict=True))
        kept, copied = of_base[position_set.pair], of_source[position_set.pair]
        of_rows = tuple(
            (kept[row], copied[origin[row]] if row in origin else -1) for row in range(start, end)
        )
        groups[end - start].append(_Member(of_rows, start, position_set))
    for m in sorted(groups):
        members, size = sorted(groups[m], key=lambda member: member.of_rows), max(1, max_rows // m)
        for i in range(0, len(members), size):
            yield _tail(members[i : i + size], m, base, shape)


class _Member(NamedTuple):
    """A position set on its way into a tail."""

    of_rows: tuple[tuple[int, int], ...]  # `Run.of` of each row, and of what replaces it (or -1)
    start: int
    position_set: PositionSet


def _tail(members: Sequence[_Member], m: int, base: Run, shape: TowerShape) -> Tail:
    of = beginnings([member.of_rows for member in members], shared=shape.causal)
    sets = tuple(member.position_set for member in members)
    starts = torch.tensor([member.start for member in members])
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
    first_set, first_row = first_places(of)
    device = base.resid.device
    rows, pairs = (starts + torch.arange(m)[:, None]).to(device), pairs.to(device)
    return Tail(
        sets=sets,
        pairs=pairs,
        rows=rows,
        prefix=prefix.clamp(min=0).to(device),
        masks=visible(base, pairs, rows, longest, shape.causal),
        replaced=replaced.to(device),
        source_rows=source_rows.to(device),
        pooled=base.pooled[pairs] - starts.to(device),
        of=of.T.to(device),
        first=(first_row.to(device), first_set.to(device)),
    )


def visible(
    run: Run,
    pairs: Int[Tensor, " B"],
    rows: Int[Tensor, "m B"],
    prefix_length: int,
    causal: bool,
) -> Masks:
    """What the rows of a tail see of the sentences of a run, at the positions of the base run's."""
    prefix = rows[0] - prefix_length + torch.arange(prefix_length, device=rows.device)[:, None]
    before = (prefix >= 0) & ~run.hidden[pairs, prefix.clamp(min=0)]
    among = torch.ones(1, len(rows), len(rows), dtype=torch.bool, device=rows.device)
    if causal:
        among = among.tril()
    among = among & ~run.hidden[pairs, rows].T[:, None]
    if torch.equal(among, among[:1].expand_as(among)):
        among = among[:1]
    return Masks(_additive(before.T, run.resid), _additive(among, run.resid))


def _additive(seen: Bool[Tensor, "*shape"], like: Tensor) -> Float[Tensor, "*shape"]:
    return like.new_zeros(seen.shape).masked_fill_(~seen, float("-inf"))
