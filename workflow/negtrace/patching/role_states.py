"""Runs of pairs at the tokens of a role: both hidden states, and what heads do there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from negtrace.models.tower import TextTower
from negtrace.patching.batch_sizes import batch_sizes
from negtrace.patching.forward_passes import Run, run_sentences
from negtrace.patching.sentences import SentencePair
from negtrace.vocabulary import BASE_OF, SOURCE_OF

Places = tuple[Int[Tensor, " rows"], Int[Tensor, " rows"]]  # sentence and position


class RoleStates(NamedTuple):
    """One row per token of the base sentence that has a counterpart in the source sentence."""

    pairs: list[int]  # index of each row's pair
    base_run: Run
    source_run: Run
    base_at: Places
    source_at: Places

    @property
    def base(self) -> Float[Tensor, "hidden_states rows width"]:
        return self.base_run.resid[:, *self.base_at]

    @property
    def source(self) -> Float[Tensor, "hidden_states rows width"]:
        return self.source_run.resid[:, *self.source_at]

    def z_changes(self, block: int) -> Float[Tensor, "rows width"]:
        """How the heads' z change from base to source."""
        source = self.source_run.z[block - 1][self.source_at]
        changes: Tensor = source - self.base_run.z[block - 1][self.base_at]
        return changes


@torch.inference_mode()
def role_states(
    tower: TextTower,
    pairs: Sequence[SentencePair],
    role: str,
    direction: str,
    memory_gb: float = 2.0,
) -> Iterator[RoleStates]:
    """Hidden states 0..L at a role, some pairs at a time; none of pairs without such a token.

    Args:
        direction: ``negate`` or ``affirm``: which sentence is the base.
    """
    bases = [pair.sentence(BASE_OF[direction]) for pair in pairs]
    places = [
        [(i, own, other) for own, other in enumerate(base.counterparts) if other >= 0]
        for i, base in enumerate(bases)
    ]
    rows = [[row for row in of_pair if bases[row[0]].roles[row[1]] == role] for of_pair in places]
    having = [i for i, of_pair in enumerate(rows) if of_pair]
    if not having:
        return
    sources = [pair.sentence(SOURCE_OF[direction]) for pair in pairs]
    longest = max(len(s.tokens) for i in having for s in (bases[i], sources[i]))
    sizes = batch_sizes(tower.shape, 1, longest, tower.dtype.itemsize, memory_gb, tower.device.type)
    for start in range(0, len(having), sizes.pairs):
        batch = having[start : start + sizes.pairs]
        sentences = [bases[i].tokens for i in batch] + [sources[i].tokens for i in batch]
        both = run_sentences(tower, sentences)
        at = [(entry, own, other) for entry, i in enumerate(batch) for _, own, other in rows[i]]
        entry, own, other = torch.tensor(at, device=tower.device).T
        yield RoleStates(
            [i for i in batch for _ in rows[i]],
            both.part(slice(len(batch))),
            both.part(slice(len(batch), None)),
            (entry, own),
            (entry, other),
        )
