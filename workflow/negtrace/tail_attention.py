"""Attention of a tail: keys and values of its own rows stand behind the base run's.

Rows come first here, [rows, cells, B, width]: then every product over a head's rows reads queries,
keys and values where the projections left them, and the base run's share is one product for all
cells of a sentence.  Keys before the tail and the tail's own are scored apart and normalised
together.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from negtrace.tails import PairBatch, Tail
from negtrace.tower import TextTower, softmax


class TailAttention:
    """Attention of one tail in one block; called with what the tail's rows ask and offer."""

    def __init__(self, tower: TextTower, batch: PairBatch, tail: Tail, block: int) -> None:
        self.head_width = tower.shape.head_width
        self.heads = tower.shape.heads
        _, keys, values = batch.base.qkv[block - 1].chunk(3, dim=-1)
        at = tail.pairs, tail.prefix.T
        self.keys_before, self.values_before = keys[at], values[at]  # [P, B, width]
        mask = tail.in_block(block, tower.shape).mask
        if mask is None:
            self.mask_before = self.mask = keys.new_zeros(1)
        else:
            before, own = mask.tensor_split([tail.prefix.shape[1]], dim=-1)
            self.mask_before = before[:, :1].repeat_interleave(self.heads, dim=0)  # [B h, 1, P]
            self.mask = own[:1]  # [1, rows, m]: tails of one kind look at themselves alike

    def __call__(
        self,
        queries: Float[Tensor, "rows cells B width"],
        keys: Float[Tensor, "m cells B width"],
        values: Float[Tensor, "m cells B width"],
    ) -> Float[Tensor, "cells B rows width"]:
        """z of the tail's rows, in the order of the residual stream.

        Args:
            queries: of all rows, or in the last block of the pooled row alone.
            keys, values: of all rows.
        """
        cells = queries.shape[1]
        scale = self.head_width**-0.5
        before = torch.baddbmm(
            self.mask_before, self._shared(queries), self._shared(self.keys_before).mT, alpha=scale
        )
        own = torch.baddbmm(self.mask, self._each(queries), self._each(keys).mT, alpha=scale)
        before = rearrange(before, "s (r c) k -> (c s) r k", c=cells)
        weights = softmax(torch.cat([before, own], dim=-1))
        before, own = weights.tensor_split([before.shape[-1]], dim=-1)
        z = own @ self._each(values)
        before = rearrange(before, "(c s) r k -> s (r c) k", c=cells)
        z_before = before @ self._shared(self.values_before)
        z += rearrange(z_before, "s (r c) d -> (c s) r d", c=cells)
        return rearrange(z, "(c b h) r d -> c b r (h d)", c=cells, h=self.heads)

    def _each(self, x: Float[Tensor, "n cells B width"]) -> Float[Tensor, "cBh n head_width"]:
        """One product per cell, sentence and head; a view."""
        return rearrange(x, "n c b (h d) -> (c b h) n d", d=self.head_width)

    def _shared(self, x: Float[Tensor, "... B width"]) -> Float[Tensor, "Bh n head_width"]:
        """One product per sentence and head, with the rows of all cells below one another."""
        return rearrange(x, "... b (h d) -> (b h) (...) d", d=self.head_width)
