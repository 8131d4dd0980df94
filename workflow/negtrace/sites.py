"""Sites: where a patch acts, and what it makes of the residual stream in the block it acts in.

A site is one entry of `SITES`.  Its `enter` gives the residual stream right after a patch in one
block; the engine in `restoration.py` carries it to the end.  Sites that can be patched in several
blocks at once also say which activation of a block they replace (`replaces`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from negtrace.runs import Run
from negtrace.tail_attention import TailAttention
from negtrace.tails import PairBatch, Tail
from negtrace.tower import TextTower, TowerShape

Enter = Callable[[TextTower, PairBatch, Tail, int], Float[Tensor, "parts B m width"]]


@dataclass(frozen=True)
class Cell:
    """What is patched together.

    Attributes:
        layer: hidden state, or first patched block.
        head: the head's number from 1, or None.
        parts: patched blocks, ascending, each with its heads (None: not by head).  Empty for
            hidden state L, behind which there is no block.
    """

    layer: int
    head: int | None
    parts: tuple[tuple[int, tuple[int, ...] | None], ...]

    @property
    def first_block(self) -> int:
        return self.parts[0][0]

    @property
    def last_block(self) -> int:
        return self.parts[-1][0]


@dataclass(frozen=True)
class Site:
    """One kind of activation.

    Attributes:
        name: as in the configuration and in tables.
        first_layer: 0 if the site counts hidden states (0..L), 1 if it counts blocks (1..L).
        positions: whether, unless told otherwise, a cell is one position or all together.
        enter: (tower, batch, tail, block) -> residual stream after the patch [1, B, m, width];
            for sites of single heads, what replacing each head alone adds to the residual stream
            between attention and MLP [heads, B, m, width].  In the last block m is 1, the pooled
            row.
        by_head: whether each head is a cell of its own.
        after_mlp: whether `enter` gives the output of the block rather than the MLP's input.
        local: whether a patched position changes its own row alone in the block it enters (keys
            and values are read by later rows).
        replaces: the activation that is replaced, for sites that windows and sets of heads in
            several blocks are defined for.
        same_positions: whether only sentences whose tokens stand in the same places can be patched.
    """

    name: str
    first_layer: Literal[0, 1]
    positions: Literal["each", "all"]
    enter: Enter
    by_head: bool = False
    after_mlp: bool = False
    local: bool = True
    replaces: Literal["z", "attn_out", "mlp_out"] | None = None
    same_positions: bool = False

    def layers(self, shape: TowerShape) -> range:
        """All layers that the site has, hidden state L included."""
        return range(self.first_layer, shape.layers + 1)

    def cells(self, shape: TowerShape, window: int = 1) -> list[Cell]:
        """All cells, by layer and head; a window spans that many consecutive blocks."""
        if self.first_layer == 0:
            entering = [Cell(layer, None, ((layer + 1, None),)) for layer in range(shape.layers)]
            return [*entering, Cell(shape.layers, None, ())]
        heads = range(1, shape.heads + 1) if self.by_head else (None,)
        return [
            Cell(
                layer,
                head,
                tuple((layer + k, None if head is None else (head,)) for k in range(window)),
            )
            for layer in range(1, shape.layers + 2 - window)
            for head in heads
        ]


def head_set(heads: Sequence[tuple[int, int]]) -> Cell:
    """One cell that patches several heads, given as (block, head), at once."""
    blocks = sorted({block for block, _ in heads})
    parts = tuple((b, tuple(sorted(h for block, h in heads if block == b))) for b in blocks)
    return Cell(blocks[0], None, parts)


def activation(run: Run, name: Literal["z", "attn_out", "mlp_out"], block: int) -> Tensor:
    """An activation of one block of a run [pairs, n, width]."""
    i = block - 1
    if name == "z":
        return run.z[i]
    return run.mid[i] - run.resid[i] if name == "attn_out" else run.resid[block] - run.mid[i]


def enter_resid(tower: TextTower, batch: PairBatch, tail: Tail, block: int) -> Tensor:
    """Replace hidden state block-1.

    Its queries, keys and values are those of the runs it comes from, so none is projected anew,
    unless the source is not a run.
    """
    i = block - 1
    x = tail.patched(batch.base.resid[i], batch.source.resid[i])
    if batch.source_is_run:
        qkv = tail.patched(batch.base.qkv[i], batch.source.qkv[i])
    else:
        qkv = tower.qkv(block, x)
    q, k, v = qkv.chunk(3, dim=-1)
    if block == tower.shape.layers:
        x, q = tail.pooled_row(x), tail.pooled_row(q)
    z = attend(tower, batch, tail, block, q, k, v)
    return tower.attn_out(block, z).add_(x)[None]


def attend(
    tower: TextTower,
    batch: PairBatch,
    tail: Tail,
    block: int,
    *qkv: Float[Tensor, "B rows width"],
) -> Float[Tensor, "B rows width"]:
    """z of a tail's rows from their queries, keys and values."""
    rows_first = (rearrange(x, "b m w -> m 1 b w") for x in qkv)
    return TailAttention(tower, batch, tail, block)(*rows_first)[0]


def enter_output(part: Literal["attn_out", "mlp_out"]) -> Enter:
    """Replace what attention, or the MLP, adds to the residual stream."""

    def enter(tower: TextTower, batch: PairBatch, tail: Tail, block: int) -> Tensor:
        seen = tail.in_block(block, tower.shape)
        before = batch.base.resid if part == "attn_out" else batch.base.mid
        runs = (activation(run, part, block) for run in (batch.base, batch.source))
        return (seen.base(before[block - 1]) + seen.patched(*runs))[None]

    return enter


def enter_head(tower: TextTower, batch: PairBatch, tail: Tail, block: int) -> Tensor:
    """Replace one head's z."""
    i = block - 1
    seen = tail.in_block(block, tower.shape)
    change = seen.patched(batch.base.z[i], batch.source.z[i]) - seen.base(batch.base.z[i])
    return heads_out(tower, block, change)


def enter_projection(part: Literal["q", "k", "v"]) -> Enter:
    """Replace one head's queries, keys or values."""

    def enter(tower: TextTower, batch: PairBatch, tail: Tail, block: int) -> Tensor:
        i = block - 1
        rows = dict(zip("qkv", tail.base(batch.base.qkv[i]).chunk(3, dim=-1), strict=True))
        patched = tail.patched(batch.base.qkv[i], batch.source.qkv[i]).chunk(3, dim=-1)
        rows[part] = patched["qkv".index(part)]
        query = rows["q"]
        if block == tower.shape.layers:
            query = tail.pooled_row(query)
        z = attend(tower, batch, tail, block, query, rows["k"], rows["v"])
        seen = tail.in_block(block, tower.shape)
        return heads_out(tower, block, z - seen.base(batch.base.z[i]))

    return enter


def enter_pattern(tower: TextTower, batch: PairBatch, tail: Tail, block: int) -> Tensor:
    """Replace one head's attention weights in the patched rows; the values stay the base run's."""
    i, seen = block - 1, tail.in_block(block, tower.shape)
    q, k, _ = batch.source.qkv[i].chunk(3, dim=-1)
    v = batch.base.qkv[i].chunk(3, dim=-1)[2]
    at = seen.pairs[:, None]
    keys = torch.cat([tail.prefix, tail.rows], dim=1)
    q, k, v = map(tower.split_heads, (q[at, seen.source_rows], k[at, keys], v[at, keys]))
    weights = tower.attention_pattern(q, k, seen.mask)
    z = rearrange(weights @ v, "b h i d -> b i (h d)")
    base = seen.base(batch.base.z[i])
    return heads_out(tower, block, torch.where(seen.replaced[..., None], z - base, 0))


def heads_out(
    tower: TextTower, block: int, z: Float[Tensor, "B m width"]
) -> Float[Tensor, "heads B m width"]:
    """What each head alone adds to the residual stream, without the bias."""
    heads = tower.shape.heads
    out = rearrange(tower.blocks[block - 1]["out.weight"], "width (h d) -> h width d", h=heads)
    rows = rearrange(z, "b m (h d) -> h (b m) d", h=heads)
    added = torch.einsum("hrd,hwd->hrw", rows, out)
    return added.view(heads, *z.shape[:2], -1)


SITES: dict[str, Site] = {
    site.name: site
    for site in (
        Site("resid", 0, "each", enter_resid),
        Site("attn_out", 1, "each", enter_output("attn_out"), replaces="attn_out"),
        Site("mlp_out", 1, "each", enter_output("mlp_out"), after_mlp=True, replaces="mlp_out"),
        Site("head", 1, "all", enter_head, by_head=True, replaces="z"),
        Site("q", 1, "all", enter_projection("q"), by_head=True),
        Site("k", 1, "all", enter_projection("k"), by_head=True, local=False),
        Site("v", 1, "all", enter_projection("v"), by_head=True, local=False),
        Site("pattern", 1, "all", enter_pattern, by_head=True, same_positions=True),
    )
}
