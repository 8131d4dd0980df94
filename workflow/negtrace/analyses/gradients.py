"""Gradients: how a score would change with every activation of the base run, to first order.

By torch's autograd through the tower.  An item's score is S = logit scale x embedding . image, so
one backward pass of a batch gives the gradients of all of its items.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from negtrace.models.tower import PARTS, Part, TextTower
from negtrace.patching.edges import Receiver

States = Float[Tensor, "batch n width"]


class Gradients(NamedTuple):
    """dS / d activation, by block from 1 (hidden states from 0), and by receiver."""

    resid: list[States]
    attn_out: list[States]
    mlp_out: list[States]
    z: list[States]
    q: list[States]
    k: list[States]
    v: list[States]
    inputs: list[States]  # of the receivers: of the residual stream as each of them reads it

    def of(self, name: str, layer: int) -> States:
        """The gradient of one activation: hidden state `layer`, or of block `layer`."""
        values: list[States] = getattr(self, name)
        return values[layer if name == "resid" else layer - 1]


def score_gradients(
    tower: TextTower,
    embedded: States,
    mask: Float[Tensor, "#batch n n"] | None,
    pooled: Int[Tensor, " batch"],
    images: Float[Tensor, "batch embed_dim"],
    receivers: Sequence[Receiver] = (),
) -> Gradients:
    """Gradients of the scores of a batch of items.

    Args:
        embedded: hidden state 0, also one that no sentence has.
        mask: of attention (`forward_passes.attention_mask`).
        pooled: position that each sentence is read from.
        images: of the items, times the logit scale.
        receivers: inputs that gradients are wanted of.
    """
    taps = [torch.zeros_like(embedded).requires_grad_() for _ in receivers]
    of_block: dict[int, list[tuple[Receiver, Tensor]]] = {}
    for receiver, tap in zip(receivers, taps, strict=True):
        of_block.setdefault(receiver.block, []).append((receiver, tap))
    with torch.enable_grad():
        x = embedded.detach().requires_grad_()
        kept = Gradients([x], [], [], [], [], [], [], taps)
        for block in range(1, tower.shape.layers + 1):
            tapped = of_block.get(block, [])
            normed = tower.attention_norm(block, x)
            for part in PARTS:
                projected = tower.project(block, part, normed)
                for receiver, tap in tapped:
                    if receiver.reads in (part, "head"):
                        projected = projected + through_tap(tower, receiver, part, x, tap)
                getattr(kept, part).append(projected)
            q, k, v = (tower.split_heads(getattr(kept, part)[-1]) for part in PARTS)
            kept.z.append(tower.attend(q, k, v, mask))
            kept.attn_out.append(tower.attn_out(block, kept.z[-1]))
            mid = x + kept.attn_out[-1]
            out = mlp(tower, block, mid)
            for receiver, tap in tapped:
                if receiver.reads == "mlp":
                    still = mid.detach()
                    out = out + mlp(tower, block, still + tap) - mlp(tower, block, still)
            kept.mlp_out.append(out)
            x = mid + out
            kept.resid.append(x)
        for _, tap in of_block.get(tower.shape.layers + 1, []):
            x = x + tap
        rows = torch.arange(len(pooled), device=x.device)
        score = (tower.read_out(x[rows, pooled][:, None]) * images).sum()
        flat = [tensor for field in kept for tensor in field]
        found = iter(torch.autograd.grad(score, flat))
    return Gradients(*([next(found) for _ in field] for field in kept))


def mlp(tower: TextTower, block: int, mid: States) -> States:
    """What the MLP adds to a residual stream."""
    return tower.mlp_out(block, tower.mlp_norm(block, mid))


def through_tap(tower: TextTower, receiver: Receiver, part: Part, x: States, tap: States) -> States:
    """What a change of one head's input adds to its queries, keys or values; 0 at no change.

    Its gradient is that of the head's input alone: the residual stream itself is held still.
    """
    assert receiver.head is not None
    still, size = x.detach(), tower.shape.head_width
    start = (receiver.head - 1) * size
    weight = tower.blocks[receiver.block - 1]["qkv.weight"].chunk(3)[PARTS.index(part)]
    normed = tower.attention_norm(receiver.block, still + tap)
    normed = normed - tower.attention_norm(receiver.block, still)
    own = F.linear(normed, weight[start : start + size])
    return F.pad(own, (start, tower.shape.width - start - size))
