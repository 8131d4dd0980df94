"""Sites: where a patch acts, and what it makes of the residual stream in the block it acts in.

A site is one entry of `SITES`.  Its `enter` gives, for every cell of one block, the residual
stream right after the patch: between that block's attention and MLP, or (`after_mlp`) behind it.
The engine in `restoration.py` does the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from negtrace.tails import PairBatch, Tail
from negtrace.tower import TextTower, TowerShape

Enter = Callable[[TextTower, PairBatch, Tail, int], Float[Tensor, "cells B m width"]]


@dataclass(frozen=True)
class Site:
    """One kind of activation.

    Attributes:
        name: as in the configuration and in tables.
        first_layer: 0 if the site counts hidden states (0..L), 1 if it counts blocks (1..L).
        by_head: whether each head is a cell of its own.
        positions: whether a cell is one position or all positions together.
        enter: (tower, batch, tail, block) -> residual stream after the patch, for each of
            `cells(block)`; in the last block for the pooled row alone (m = 1).
        after_mlp: whether `enter` gives the output of the block rather than the MLP's input.
        local: whether a patched position changes its own row alone in the block it enters (keys
            and values are read by later rows).
    """

    name: str
    first_layer: Literal[0, 1]
    by_head: bool
    positions: Literal["each", "all"]
    enter: Enter
    after_mlp: bool = False
    local: bool = True

    def cells(self, block: int, shape: TowerShape) -> list[tuple[int, int | None]]:
        """(layer, head) of the cells whose patch enters in a block, heads numbered from 1."""
        layer = block - 1 + self.first_layer
        if self.by_head:
            return [(layer, head) for head in range(1, shape.heads + 1)]
        return [(layer, None)]

    def layers(self, shape: TowerShape) -> range:
        """All layers that the site has, hidden state L included."""
        return range(self.first_layer, shape.layers + 1)


def enter_resid(tower: TextTower, batch: PairBatch, tail: Tail, block: int) -> Tensor:
    """Replace hidden state block-1.

    Its queries, keys and values are those of the runs it comes from, so none is projected anew.
    """
    i = block - 1
    x = tail.patched(batch.base.resid[i], batch.source.resid[i])
    q, k, v = tail.patched(batch.base.qkv[i], batch.source.qkv[i]).chunk(3, dim=-1)
    k_before, v_before = tail.base_prefix(batch.base.qkv[i]).chunk(3, dim=-1)[1:]
    mask = tail.mask
    if block == tower.shape.layers:
        mask = tail.only_pooled().mask
        x, q = tail.pooled_row(x), tail.pooled_row(q)
    z = tower.attend(q, torch.cat([k_before, k], dim=1), torch.cat([v_before, v], dim=1), mask)
    return (x + tower.attn_out(block, z))[None]


def enter_head(tower: TextTower, batch: PairBatch, tail: Tail, block: int) -> Tensor:
    """Replace one head's z; the other heads' share of attn_out stays the base run's."""
    i = block - 1
    if block == tower.shape.layers:
        tail = tail.only_pooled()
    change = tail.patched(batch.base.z[i], batch.source.z[i]) - tail.base(batch.base.z[i])
    out = rearrange(tower.blocks[i]["out.weight"], "width (h d) -> h width d", h=tower.shape.heads)
    change = rearrange(change, "b m (h d) -> h (b m) d", h=tower.shape.heads)
    added = torch.einsum("hrd,hwd->hrw", change, out)
    mid = tail.base(batch.base.mid[i])
    return mid + added.view(-1, *mid.shape)


def enter_attn_out(tower: TextTower, batch: PairBatch, tail: Tail, block: int) -> Tensor:
    """Replace what attention adds to the residual stream."""
    i = block - 1
    if block == tower.shape.layers:
        tail = tail.only_pooled()
    out = tail.patched(
        batch.base.mid[i] - batch.base.resid[i], batch.source.mid[i] - batch.source.resid[i]
    )
    return (tail.base(batch.base.resid[i]) + out)[None]


def enter_mlp_out(tower: TextTower, batch: PairBatch, tail: Tail, block: int) -> Tensor:
    """Replace what the MLP adds to the residual stream."""
    i = block - 1
    if block == tower.shape.layers:
        tail = tail.only_pooled()
    out = tail.patched(
        batch.base.resid[block] - batch.base.mid[i], batch.source.resid[block] - batch.source.mid[i]
    )
    return (tail.base(batch.base.mid[i]) + out)[None]


def enter_projection(
    part: Literal["q", "k", "v"],
) -> Enter:
    """Replace one head's queries, keys or values."""

    def enter(tower: TextTower, batch: PairBatch, tail: Tail, block: int) -> Tensor:
        i, heads = block - 1, tower.shape.heads
        base = dict(zip("qkv", tail.base(batch.base.qkv[i]).chunk(3, dim=-1), strict=True))
        patched = tail.patched(batch.base.qkv[i], batch.source.qkv[i]).chunk(3, dim=-1)
        rows = base | {part: dict(zip("qkv", patched, strict=True))[part]}
        k_before, v_before = tail.base_prefix(batch.base.qkv[i]).chunk(3, dim=-1)[1:]
        query, seen = rows["q"], tail
        if block == tower.shape.layers:
            query, seen = tail.pooled_row(query), tail.only_pooled()
        z = tower.attend(
            query,
            torch.cat([k_before, rows["k"]], dim=1),
            torch.cat([v_before, rows["v"]], dim=1),
            seen.mask,
        )
        change = z - seen.base(batch.base.z[i])
        return seen.base(batch.base.mid[i]) + heads_out(tower, block, change, heads)

    return enter


def heads_out(
    tower: TextTower, block: int, z: Float[Tensor, "B m width"], heads: int
) -> Float[Tensor, "heads B m width"]:
    """What each head alone adds to the residual stream, without the bias."""
    out = rearrange(tower.blocks[block - 1]["out.weight"], "width (h d) -> h width d", h=heads)
    rows = rearrange(z, "b m (h d) -> h (b m) d", h=heads)
    added = torch.einsum("hrd,hwd->hrw", rows, out)
    return added.view(heads, *z.shape[:2], -1)


SITES: dict[str, Site] = {
    site.name: site
    for site in (
        Site("resid", first_layer=0, by_head=False, positions="each", enter=enter_resid),
        Site("attn_out", first_layer=1, by_head=False, positions="each", enter=enter_attn_out),
        Site(
            "mlp_out",
            first_layer=1,
            by_head=False,
            positions="each",
            enter=enter_mlp_out,
            after_mlp=True,
        ),
        Site("head", first_layer=1, by_head=True, positions="all", enter=enter_head),
        *(
            Site(
                part,
                first_layer=1,
                by_head=True,
                positions="all",
                enter=enter_projection(part),
                local=part == "q",
            )
            for part in ("q", "k", "v")
        ),
    )
}
