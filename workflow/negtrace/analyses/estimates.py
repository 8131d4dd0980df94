"""Estimates: what gradients say of a batch of items, for every cell and edge at once.

Grids are [batch, layer, head or position], of edges [batch, receiver, sender, role].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from negtrace.analyses.gradients import Gradients, score_gradients
from negtrace.models.roles import PADDING
from negtrace.models.tower import PARTS, TextTower
from negtrace.patching.edges import Receiver, Sender
from negtrace.patching.forward_passes import Run, attention_mask
from negtrace.patching.sentences import Sentence
from negtrace.patching.sites import SITES

EDGE = "edge"  # in the place of a site


class Batch(NamedTuple):
    """Both runs of some items whose base sentences are equally long."""

    items: np.ndarray  # their rows
    bases: list[Sentence]
    base: Run
    source: Run
    place: Int[Tensor, "batch n"]  # position in the source sentence of each position
    matched: Bool[Tensor, "batch n"]  # whether there is one
    images: Float[Tensor, "batch embed_dim"]  # times the logit scale

    def moved(self, name: str, block: int) -> Float[Tensor, "batch n features"]:
        """An activation of the source run minus the base run's; 0 where none is copied."""
        base = self.base.activation(name, block)
        rows = torch.arange(len(base), device=base.device)[:, None]
        source = self.source.activation(name, block)[rows, self.place]
        return (source - base) * self.matched[..., None]


class Wanted(NamedTuple):
    """What is estimated."""

    sites: list[str]
    receivers: list[Receiver]
    senders: list[Sender]
    roles: list[str]  # of edges


def batch_estimates(
    tower: TextTower, batch: Batch, wanted: Wanted, steps: int
) -> dict[tuple[str, str], Tensor]:
    """Grids [batch, layer, head or position], of edges [batch, receiver, sender, role].

    Returns:
        by method and site.
    """
    member = membership(batch.bases, {r: i for i, r in enumerate(wanted.roles)}, batch.place)
    found = {}
    for method, along in lines(steps).items():
        gradients = mean_gradients(tower, batch, wanted.receivers, along)
        for site in wanted.sites:
            found[method, site] = cell_estimates(tower, batch, gradients, site)
            if method == "atp" and site in ("q", "k"):
                found["atp_qk", site] = heads_anew(tower, batch, gradients, site)
        if wanted.receivers:
            found[method, EDGE] = edge_estimates(tower, batch, gradients, wanted, member)
            if method == "atp":
                found["atp_qk", EDGE] = edges_anew(tower, batch, gradients, wanted, member)
    return found


def lines(steps: int) -> dict[str, list[float]]:
    """Where each method takes gradients, as shares of the way from the base run to the source's."""
    return {"atp": [0.0], "ig": [(step + 0.5) / steps for step in range(steps)]}


def mean_gradients(
    tower: TextTower, batch: Batch, receivers: Sequence[Receiver], along: Sequence[float]
) -> Gradients:
    """Gradients at some points between the base run's hidden state 0 and the source's, averaged."""
    mask = attention_mask(batch.base.hidden, tower)
    change, base = batch.moved("resid", 1), batch.base
    found = [
        score_gradients(
            tower, base.resid[0] + share * change, mask, base.pooled, batch.images, receivers
        )
        for share in along
    ]
    return Gradients(
        *(
            [torch.stack(same).mean(0) for same in zip(*field, strict=True)]
            for field in zip(*found, strict=True)
        )
    )


def cell_estimates(
    tower: TextTower, batch: Batch, gradients: Gradients, site: str
) -> Float[Tensor, "batch layers places"]:
    """(source - base) . gradient of every cell of a site."""
    place = SITES[site]
    found = []
    for layer in place.layers(tower.shape):
        block = layer + place.counts_hidden_states
        terms = batch.moved(place.activation, block) * gradients.of(place.activation, layer)
        if place.by_head:
            found.append(rearrange(terms, "b n (h d) -> b h (n d)", h=tower.shape.heads).sum(-1))
        else:
            found.append(with_padding(terms.sum(-1), batch.bases))
    return torch.stack(found, dim=1)


def with_padding(values: Float[Tensor, "batch n"], bases: Sequence[Sentence]) -> Tensor:
    """Padding, which is patched as one, summed at its first position."""
    for row, base in zip(values, bases, strict=True):
        if PADDING in base.roles:
            at = [i for i, role in enumerate(base.roles) if role == PADDING]
            row[at[0]] = row[at].sum()
    return values


def membership(
    bases: Sequence[Sentence], row: Mapping[str, int], like: Tensor
) -> Float[Tensor, "batch n roles"]:
    """Indicator of each token's role, of these roles alone."""
    member = torch.zeros(*like.shape, len(row), device=like.device)
    for i, base in enumerate(bases):
        for position, role in enumerate(base.roles):
            if role in row:
                member[i, position, row[role]] = 1
    return member


def edge_estimates(
    tower: TextTower,
    batch: Batch,
    gradients: Gradients,
    wanted: Wanted,
    member: Float[Tensor, "batch n roles"],
) -> Float[Tensor, "batch receivers senders roles"]:
    """Every sender's change . the gradient of every receiver's input, by role."""
    found = []
    for sender in wanted.senders:
        change = of_sender(tower, batch, sender)
        terms = torch.stack([(change * gradient).sum(-1) for gradient in gradients.inputs])
        found.append(torch.einsum("ibn,bnr->bir", terms, member.to(terms)))
    return torch.stack(found, dim=2)


def of_sender(tower: TextTower, batch: Batch, sender: Sender) -> Float[Tensor, "batch n width"]:
    """A sender's output in the source run minus that in the base run."""
    if not sender.block:
        return batch.moved("resid", 1)
    if sender.head is None:
        return batch.moved("mlp_out", sender.block)
    size = tower.shape.head_width
    columns = slice((sender.head - 1) * size, sender.head * size)
    weight = tower.blocks[sender.block - 1]["out.weight"]
    return F.linear(batch.moved("z", sender.block)[..., columns], weight[:, columns])


def heads_anew(
    tower: TextTower, batch: Batch, gradients: Gradients, part: str
) -> Float[Tensor, "batch layers heads"]:
    """Queries or keys of every head exchanged, its attention computed anew; linear from z on."""
    mask = attention_mask(batch.base.hidden, tower)
    found = []
    for block in range(1, tower.shape.layers + 1):
        q, k, v = (
            tower.split_heads(
                batch.base.activation(name, block)
                + (batch.moved(part, block) if name == part else 0)
            )
            for name in PARTS
        )
        z = tower.attend(q, k, v, mask)
        terms = (z - batch.base.activation("z", block)) * gradients.of("z", block)
        found.append(rearrange(terms, "b n (h d) -> b h (n d)", h=tower.shape.heads).sum(-1))
    return torch.stack(found, dim=1)


def edges_anew(
    tower: TextTower,
    batch: Batch,
    gradients: Gradients,
    wanted: Wanted,
    member: Float[Tensor, "batch n roles"],
) -> Float[Tensor, "batch receivers senders roles"]:
    """The same of edges into heads, by queries, keys or all; null for other receivers."""
    shape = len(batch.items), len(wanted.receivers), len(wanted.senders), len(wanted.roles)
    found = member.new_full(shape, torch.nan)
    mask = attention_mask(batch.base.hidden, tower)
    for number, receiver in enumerate(wanted.receivers):
        if receiver.head is None or receiver.reads == "v":
            continue
        block, size = receiver.block, tower.shape.head_width
        columns = slice((receiver.head - 1) * size, receiver.head * size)
        resid = batch.base.activation("resid", block)
        normed = tower.attention_norm(block, resid)
        weights = tower.blocks[block - 1]["qkv.weight"].chunk(3)
        base = [batch.base.activation(part, block)[..., columns] for part in PARTS]
        gradient = gradients.of("z", block)[..., columns]
        q, k, v = (x[:, None] for x in base)
        of_base = tower.attend(q, k, v, mask)
        for s, sender in enumerate(wanted.senders):
            if not receiver.hears(sender):
                continue
            change = of_sender(tower, batch, sender)
            for r in range(len(wanted.roles)):
                moved = tower.attention_norm(
                    block, resid + change * member[..., r : r + 1].to(change)
                )
                q, k, v = (
                    x[:, None] + F.linear(moved - normed, weight[columns])[:, None]
                    if receiver.reads in (part, "head")
                    else x[:, None]
                    for part, x, weight in zip(PARTS, base, weights, strict=True)
                )
                z = tower.attend(q, k, v, mask)
                found[:, number, s, r] = ((z - of_base) * gradient).sum((1, 2)).to(found)
    return found
