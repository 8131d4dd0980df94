"""Head writes: what each head adds to the residual stream, W_O z, where its z changes."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from negtrace.models.tower import TextTower


def write_lengths(
    tower: TextTower, block: int, changes: Float[Tensor, "rows width"]
) -> Float[Tensor, "rows heads"]:
    """Length of the change of what each head writes, from changes of z."""
    lengths: Tensor = tower.heads_out(block, changes).norm(dim=-1).T
    return lengths


def writes_along(
    tower: TextTower,
    block: int,
    changes: Float[Tensor, "rows width"],
    directions: Float[Tensor, "rows width"],
) -> Float[Tensor, "rows heads"]:
    """The same along a direction of the residual stream, one for every row."""
    heads = tower.shape.heads
    read = directions.to(changes) @ tower.blocks[block - 1]["out.weight"]
    read, changes = (rearrange(x, "r (h d) -> r h d", h=heads) for x in (read, changes))
    along: Tensor = torch.einsum("rhd,rhd->rh", read, changes)
    return along
