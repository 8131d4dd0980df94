"""Propagation: patched residual streams on their way to the sentence embedding, without detours.

A patch copies activations of the source run into the base run at one site.  Whatever the site, its
effect is a changed residual stream from some block and some position on, so all patches of a tail
(`tails.py`) share one way to the end:

1. block by block, the states of all cells that were patched before pass through at once
   (`tail_block.py`); where a cell patches the block, too, its activation is replaced on the way.
   Cells have one state as long as they have patched the same: sets of heads part where they differ;
2. the states of cells whose first patch is in the block (`sites.py`) join them;
3. behind the last block all are read out, at one row or at all.

Exact because a causal tower's rows before the patched position cannot change, rows after the
pooled position cannot matter, and blocks before the patched one see no difference.  A tower
without a causal mask has one tail: all rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from negtrace.models.tower import TextTower
from negtrace.patching.sites import Cell, Parts, Site
from negtrace.patching.tail_block import Outputs, TailBlock
from negtrace.patching.tails import PairBatch, Tail


def patched_embeddings(
    tower: TextTower,
    batch: PairBatch,
    tail: Tail,
    site: Site,
    cells: Sequence[Cell],
    max_rows: int,
) -> Float[Tensor, "cells B embed_dim"]:
    """Sentence embeddings of all cells of a tail, in the order of `cells`.

    Args:
        max_rows: rows (tokens) per matrix product.
    """
    layers = tower.shape.layers
    entered: dict[Parts, int] = {}  # what each state has patched so far, and its place
    states = batch.base.resid.new_empty(len(tail.first[0]), 0, tower.shape.width)
    for number in range(1, layers + 1):
        block = TailBlock(tower, batch, tail, number, max_rows)
        behind = dict.fromkeys(parts for cell in cells if (parts := cell.until(number)))
        before = {parts: tuple(part for part in parts if part[0] < number) for parts in behind}
        passing = [parts for parts in behind if before[parts]]
        passing.sort(key=lambda parts: entered[before[parts]])
        joining = [parts for parts in behind if not before[parts]]
        states = block.forward(
            states,
            site.replace(block, [dict(parts).get(number, ()) for parts in passing]),
            [entered[before[parts]] for parts in passing],
            site.patch(block, [heads for ((_, heads),) in joining]) if joining else None,
        )
        entered = {parts: i for i, parts in enumerate(passing + joining)}
    if not all(cell.until(layers) for cell in cells):  # hidden state L
        final = TailBlock(tower, batch, tail, layers + 1, max_rows)
        states = torch.cat([states, final.read_later(final.patched("resid"))], dim=1)
        entered[()] = len(entered)
    embeddings = read_out(tower, tail, states)
    return embeddings[[entered[cell.until(layers)] for cell in cells]]


def read_out(tower: TextTower, tail: Tail, states: Outputs) -> Float[Tensor, "cells B embed_dim"]:
    """Sentence embeddings of what the last block puts out."""
    if tower.shape.pool == "mean":
        return tower.read_out(tail.spread(states).movedim(0, -2))
    return tower.read_out(states.transpose(0, 1)[:, :, None])
