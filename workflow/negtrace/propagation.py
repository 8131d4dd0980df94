"""Propagation: carry patched residual streams to the sentence embedding, computing nothing twice.

A patch copies activations of the source run into the base run at one site.  Whatever the site, its
effect is a changed residual stream from some block and some position on, so all patches of a tail
(`tails.py`) share one way to the end:

1. the site (`sites.py`) gives the residual stream right after a patch in block 1, 2, ..., L;
2. those states lie on a belt: block by block, patches made in the block join those made before
   it, and the whole belt passes through the next block at once; keys and values of the rows before
   the tail come from the base run; in the last block only the pooled row is computed;
3. the belt is read out.

Exact because a causal tower's rows before the patched position cannot change, rows after the
pooled position cannot matter, and blocks before the patched one see no difference.  A tower
without a causal mask has one tail: all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from negtrace.sites import Cell, Site, activation
from negtrace.tail_attention import TailAttention
from negtrace.tails import PairBatch, Tail
from negtrace.tower import TextTower

# Rows (tokens) per matrix product: enough to feed the BLAS, few enough to stay in the caches.
ROWS_PER_PRODUCT = {"cpu": 2048, "cuda": 65536}

Override = Callable[[str, Tensor], Tensor]
Heads = tuple[int, ...] | None


def carry(
    tower: TextTower,
    batch: PairBatch,
    tail: Tail,
    block: int,
    states: Float[Tensor, "cells B m width"],
    max_rows: int,
    override: Override | None = None,
) -> Float[Tensor, "cells B rows width"]:
    """Pass patched tails through a block; the last block returns the pooled row alone.

    Overwrites and returns `states` in all blocks but the last.

    Args:
        override: changes an activation of this block too (patches of several blocks).
    """
    override = override or unchanged
    cells, sets, m, width = states.shape
    last = block == tower.shape.layers
    attention = TailAttention(tower, batch, tail, block)
    out = states.new_empty(cells, sets, 1, width) if last else states
    step = max(1, max_rows // (sets * m))
    for start in range(0, cells, step):
        x = states[start : start + step]
        normed = tower.attention_norm(block, rearrange(x, "c b m w -> m c b w"))
        k, v = (tower.project(block, part, normed) for part in "kv")
        if last:
            x = tail.pooled_row(x)
            normed = tower.attention_norm(block, rearrange(x, "c b m w -> m c b w"))
        z = override("z", attention(tower.project(block, "q", normed), k, v))
        mid = override("attn_out", tower.attn_out(block, z)).add_(x)
        out[start : start + step] = override("mlp_out", tower.mlp_out(block, mid)).add_(mid)
    return out


def unchanged(name: str, value: Tensor) -> Tensor:
    """The override that changes nothing."""
    return value


def overriding(
    tower: TextTower, site: Site, batch: PairBatch, tail: Tail, block: int, heads: Heads
) -> Override:
    """The override that replaces a site's activation in a block at the tail's replaced rows."""
    seen = tail.in_block(block, tower.shape)
    source = activation(batch.source, site.replaces, block)[seen.pairs[:, None], seen.source_rows]
    chosen = seen.replaced[..., None].expand(source.shape)
    if heads is not None:
        columns = torch.zeros(tower.shape.heads, tower.shape.head_width, dtype=torch.bool)
        columns[[head - 1 for head in heads]] = True
        chosen = chosen & columns.flatten().to(chosen.device)

    def override(name: str, value: Tensor) -> Tensor:
        return torch.where(chosen, source, value) if name == site.replaces else value

    return override


def enter_block(
    tower: TextTower,
    batch: PairBatch,
    tail: Tail,
    site: Site,
    block: int,
    heads: Sequence[Heads],
    max_rows: int,
) -> Float[Tensor, "cells B m width"]:
    """State after a block of the patches made in it, one cell per entry of `heads`."""
    states = site.enter(tower, batch, tail, block)
    if site.by_head:
        seen = tail.in_block(block, tower.shape)
        added = torch.stack([states[[head - 1 for head in cell]].sum(0) for cell in heads])
        states = seen.base(batch.base.mid[block - 1]) + added
    return states if site.after_mlp else finish_block(tower, block, states, max_rows)


def finish_block(
    tower: TextTower, block: int, mid: Float[Tensor, "cells B m width"], max_rows: int
) -> Float[Tensor, "cells B m width"]:
    """Add the MLP's output to the residual stream after attention, in place."""
    rows = mid.flatten(0, 2)
    for start in range(0, len(rows), max_rows):
        chunk = rows[start : start + max_rows]
        chunk.add_(tower.mlp_out(block, chunk))
    return rows.view(mid.shape)


def patched_embeddings(
    tower: TextTower,
    batch: PairBatch,
    tail: Tail,
    site: Site,
    cells: Sequence[Cell],
    max_rows: int = ROWS_PER_PRODUCT["cpu"],
) -> Float[Tensor, "cells B embed_dim"]:
    """Sentence embeddings of all cells of a tail, in the order of `cells`."""
    layers = tower.shape.layers
    order: list[int] = [i for i, cell in enumerate(cells) if not cell.parts]
    belt = batch.base.resid.new_empty(len(cells), *tail.rows.shape, tower.shape.width)
    final = belt.new_empty(*belt.shape[:2], 1, belt.shape[3])
    final[: len(order)] = tail.only_pooled().patched(batch.base.resid[-1], batch.source.resid[-1])
    read, carried = len(order), 0  # cells without a block are at the end already
    for block in range(1, layers + 1):
        joining = [i for i, cell in enumerate(cells) if cell.parts and cell.last_block == block]
        if block < layers:
            place, at = belt, carried
        else:
            place, at = final, read + carried
        if carried:
            moved = carry(tower, batch, tail, block, belt[:carried], max_rows)
            if block == layers:
                final[read : read + carried] = moved
        single = [i for i in joining if len(cells[i].parts) == 1]
        if single:
            heads = [cells[i].parts[0][1] for i in single]
            place[at : at + len(single)] = enter_block(
                tower, batch, tail, site, block, heads, max_rows
            )
        spanning = [i for i in joining if len(cells[i].parts) > 1]
        for number, i in enumerate(spanning, start=at + len(single)):
            place[number : number + 1] = enter_blocks(tower, batch, tail, site, cells[i], max_rows)
        order += single + spanning
        carried += len(joining)
    embeddings = tower.read_out(final.squeeze(2))
    return embeddings[torch.tensor(order, device=embeddings.device).argsort()]


def enter_blocks(
    tower: TextTower, batch: PairBatch, tail: Tail, site: Site, cell: Cell, max_rows: int
) -> Float[Tensor, "1 B m width"]:
    """State after the last block of a cell that patches several blocks."""
    heads_of = dict(cell.parts)
    first = cell.first_block
    states = enter_block(tower, batch, tail, site, first, [heads_of[first]], max_rows)
    for block in range(first + 1, cell.last_block + 1):
        override = None
        if block in heads_of:
            override = overriding(tower, site, batch, tail, block, heads_of[block])
        states = carry(tower, batch, tail, block, states, max_rows, override)
    return states
