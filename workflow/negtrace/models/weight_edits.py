"""Weight edits: lasting changes of a text tower that hold for every sentence at every position.

heads       the output z of some heads is multiplied by a factor: their columns of W_O are
direction   a vector is added to a hidden state, 1..L, at all positions: to the last bias of the
            block that writes it

Both are exact: the edited weights compute what patches of every run would.  A vector for some
tokens or sentences alone, or one that depends on the state, is no such edit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from negtrace.models.tower import TextTower


@dataclass(frozen=True)
class Edit:
    """What is changed; nothing, if both are empty.

    Attributes:
        scales: factor of each scaled head, by (block, head).
        added: vectors [width] by hidden state, from 1.
    """

    scales: Mapping[tuple[int, int], float] = field(default_factory=dict)
    added: Mapping[int, Float[Tensor, " width"]] = field(default_factory=dict)


def scaled(heads: Sequence[tuple[int, int]], factor: float) -> Edit:
    """Heads, as (block, head), multiplied by a factor."""
    return Edit(scales=dict.fromkeys(heads, factor))


def head_columns(head: int, head_width: int) -> slice:
    """The columns of W_O, and entries of z, that are a head's."""
    return slice((head - 1) * head_width, head * head_width)


def edited(tower: TextTower, edit: Edit) -> TextTower:
    """The tower with an edit; it shares all other weights."""
    weights = dict(tower.weights)
    for (block, head), factor in edit.scales.items():
        name = f"blocks.{block}.out.weight"
        changed = weights[name].clone()
        changed[:, head_columns(head, tower.shape.head_width)] *= factor
        weights[name] = changed
    for state, vector in edit.added.items():
        name = f"blocks.{state}.proj.bias"
        weights[name] = weights[name] + vector.to(weights[name])
    return TextTower(tower.shape, weights, tower.identity)


def weights_sha256(tower: TextTower) -> str:
    """Hash of a tower's weights as float32, whatever file or model they come from."""
    digest = hashlib.sha256()
    for name in sorted(tower.weights):
        weight = tower.weights[name].detach().to("cpu", torch.float32).contiguous()
        digest.update(f"{name}:{list(weight.shape)}\n".encode())
        digest.update(weight.numpy().tobytes())
    return digest.hexdigest()
