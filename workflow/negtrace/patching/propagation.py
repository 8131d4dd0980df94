"""Propagation: patched residual streams on their way to the sentence embedding, without detours.

A patch copies activations of the source run into the base run at one site.  Whatever the site, its
effect is a changed residual stream from some block and some position on, so all patches of a tail
(`tails.py`) share one way to the end:

1. block by block, the states of all cells that were patched before pass through at once
   (`tail_block.py`);
2. the states of cells that are patched in the block (`sites.py`) join them;
3. behind the last block all are read out.

Exact because a causal tower's rows before the patched position cannot change, rows after the
pooled position cannot matter, and blocks before the patched one see no difference.  A tower
without a causal mask has one tail: all rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from negtrace.models.tower import TextTower
from negtrace.patching.sites import Cell, Site
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
    layers, width = tower.shape.layers, tower.shape.width
    order = sorted(range(len(cells)), key=lambda i: (cells[i].last_block, len(cells[i].parts) > 1))
    states = batch.base.resid.new_empty(len(tail.rows), len(cells), len(tail.sets), width)
    done = 0
    for number in range(1, layers + 1):
        block = TailBlock(tower, batch, tail, number, max_rows)
        block.forward(states[:, :done])
        joining = [cells[i] for i in order if cells[i].last_block == number]
        for outputs in patched_outputs(block, site, joining):
            behind = done + outputs.shape[1]
            states[: block.rows, done:behind] = outputs
            done = behind
    if done < len(cells):  # hidden state L
        final = block.in_block(layers + 1).patched("resid")
        states[:1, done:] = tail.pooled_row(final)
    embeddings = tower.read_out(states[0])
    return embeddings[torch.tensor(order, device=embeddings.device).argsort()]


def patched_outputs(block: TailBlock, site: Site, cells: Sequence[Cell]) -> Iterator[Outputs]:
    """A block's output for cells whose last patch is in it.

    Cells of this block alone come first, all at once; those of several blocks follow one by one.
    """
    single = [cell.parts[0][1] for cell in cells if len(cell.parts) == 1]
    if single:
        yield site.patch(block, single)
    for cell in cells:
        if len(cell.parts) > 1:
            yield patched_blocks(block, site, cell)


def patched_blocks(last: TailBlock, site: Site, cell: Cell) -> Outputs:
    """The last patched block's output for a cell that patches several blocks."""
    (first, first_heads), *parts = cell.parts
    heads_of = dict(parts)
    states = site.patch(last.in_block(first), [first_heads])
    for number in range(first + 1, last.number + 1):
        block = last.in_block(number)
        if number in heads_of:
            states = block.forward(states, site.replace(block, heads_of[number]))
        else:
            states = block.forward(states)
    return states
