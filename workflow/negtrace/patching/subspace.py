"""Subspace interchange: of the difference between two hidden states, what lies along one direction.

The base state h becomes (Geiger et al. 2024, arXiv 2303.02536, with a subspace of one dimension)

    h + (u . (h_source - h)) w

with w = u, which exchanges what the two states have along u; or with another w of length 1, which
moves as far, but where u does not point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from negtrace.patching.forward_passes import Run
from negtrace.patching.random_direction import counterparts_of
from negtrace.patching.sentences import SentencePair
from negtrace.vocabulary import BASE_OF

Units = Float[Tensor, "hidden_states width"]
Key = tuple[str, str]  # group of pairs, and role


@dataclass(frozen=True)
class Subspace:
    """One direction for every hidden state, by group of pairs and role of the base token.

    Attributes:
        direction: ``negate`` or ``affirm``.
        group: of each pair, by pair_id.
        read: u, of length 1 or 0; where there is none, nothing is moved.
        write: w, for the same keys.
    """

    direction: str
    group: Mapping[str, str]
    read: Mapping[Key, Units]
    write: Mapping[Key, Units]

    def stand_in(self, base: Run, source: Run, pairs: Sequence[SentencePair]) -> Run:
        """What `restoration.sweep` copies from with donor ``given`` at site resid."""
        bases = [pair.sentence(BASE_OF[self.direction]) for pair in pairs]
        index, moved = counterparts_of(bases, base)
        place = {key: number for number, key in enumerate(self.read, 1)}
        which = torch.zeros_like(index)
        for row, (pair, sentence) in enumerate(zip(pairs, bases, strict=True)):
            keys = [(self.group[pair.pair_id], role) for role in sentence.roles]
            numbers = [place.get(key, 0) for key in keys]
            which[row, : len(keys)] = torch.tensor(numbers, device=which.device)
        of_pair = torch.arange(len(pairs), device=which.device)[:, None]
        change = source.resid[:, of_pair, index] - base.resid
        read, write = (self._stacked(of, base.resid)[:, which] for of in (self.read, self.write))
        length = torch.einsum("lbnw,lbnw->lbn", change, read) * moved
        number = torch.arange(base.of.numel(), device=which.device).view_as(base.of)
        return base._replace(resid=base.resid + length[..., None] * write, of=number)

    def _stacked(self, units: Mapping[Key, Units], like: Tensor) -> Tensor:
        """All directions behind a zero one [hidden_states, keys, width]."""
        nothing = like.new_zeros(like.shape[0], like.shape[-1])
        return torch.stack([nothing, *(units[key].to(like) for key in self.read)], dim=1)
