"""Propagation: patched residual streams on their way to the sentence embedding, without detours.

A patch copies activations of the source run into the base run at one site.  Whatever the site, its
effect is a changed residual stream from some block and some position on, so all patches of a tail
(`tails.py`) share one way to the end:

1. block by block, the states of all cells that were patched before pass through at once
   (`tail_block.py`); where a cell patches the block, too, its activation is replaced on the way;
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
from negtrace.patching.sites import Cell, Site
from negtrace.patching.tail_block import TailBlock
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
    layers, width = tower.shape.layers, tower.shape.width
    order = sorted(range(len(cells)), key=lambda i: cells[i].first_block)
    entering = [cells[i] for i in order]
    states = batch.base.resid.new_empty(len(tail.rows), len(cells), len(tail.sets), width)
    done = 0
    for number in range(1, layers + 1):
        block = TailBlock(tower, batch, tail, number, max_rows)
        block.forward(states[:, :done], site.replace(block, entering[:done]))
        first = [cell.heads_in(number) for cell in entering[done:] if cell.first_block == number]
        if first:
            behind = done + len(first)
            states[: block.rows, done:behind] = site.patch(block, first)
            done = behind
    final = TailBlock(tower, batch, tail, layers + 1, max_rows)
    if done < len(cells):  # hidden state L
        states[: final.rows, done:] = final.read_later(final.patched("resid"))
    embeddings = tower.read_out(states[: final.rows].movedim(0, -2))
    return embeddings[torch.tensor(order, device=embeddings.device).argsort()]
