"""One block of a tower, as the tails of patched sentences pass through it.

Every row of a tail offers keys and values, behind those that the base run has for the prefix.  An
output is computed for the rows that anything reads later: each distinct one, in the last block the
row of each set that is read out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Shaped
from torch import Tensor

from negtrace.models.tower import PARTS, TextTower, softmax
from negtrace.patching.tails import Masks, PairBatch, Tail

States = Float[Tensor, "rows cells width"]  # of the distinct rows of a tail
Outputs = Float[Tensor, "read cells width"]  # of the rows that are read later
Heads = tuple[int, ...] | None  # numbers of heads, from 1; None: not by head
# Name and value of an activation of some of the cells, and which: what is to go on.
Replace = Callable[[str, Outputs, slice], Outputs]


def unchanged(name: str, value: Outputs, cells: slice) -> Outputs:
    """The replacement of nothing."""
    return value


class TailBlock:
    """A block of the tower applied to one tail.

    Args:
        number: the block's, from 1; there is no block L + 1, but what it would read.
        max_rows: rows per matrix product.
    """

    def __init__(
        self, tower: TextTower, batch: PairBatch, tail: Tail, number: int, max_rows: int
    ) -> None:
        self.tower, self.batch, self.tail = tower, batch, tail
        self.number, self.max_rows = number, max_rows
        self.one_row = number >= tower.shape.layers and tower.shape.pool != "mean"

    def base(self, name: str) -> Float[Tensor, "m 1 B features"]:
        """An activation of the base run (`Run.activation`) at the tail's rows."""
        return self.tail.at(self.batch.base.activation(name, self.number), self.tail.rows)

    def source(self, name: str) -> Float[Tensor, "m 1 B features"]:
        """An activation of the source run at what replaces each row (`Tail.source_rows`)."""
        return self.tail.at(self.batch.source.activation(name, self.number), self.tail.source_rows)

    def patched(self, name: str) -> Float[Tensor, "m 1 B features"]:
        """The base run's activation with the replaced rows copied from the source run."""
        replaced = self.tail.replaced[:, None, :, None]
        return torch.where(replaced, self.source(name), self.base(name))

    def prefix(self, name: str) -> Float[Tensor, "P B features"]:
        """An activation of the base run before the tail's rows."""
        return self.tail.at(self.batch.base.activation(name, self.number), self.tail.prefix)[:, 0]

    def read_later(
        self, states: Shaped[Tensor, "m cells B features"]
    ) -> Shaped[Tensor, "read cells features"]:
        """The rows that anything behind this block reads."""
        return self._read(self.tail.distinct(states))

    def _read(self, states: Shaped[Tensor, "rows cells f"]) -> Shaped[Tensor, "read cells f"]:
        return self.tail.pooled_rows(states) if self.one_row else states

    def spread(self, read: Shaped[Tensor, "read cells f"]) -> Shaped[Tensor, "r cells B f"]:
        """What `read_later` took of every set: one row, or all."""
        return read.transpose(0, 1)[None] if self.one_row else self.tail.spread(read)

    def gather(self, spread: Shaped[Tensor, "r cells B f"]) -> Shaped[Tensor, "read cells f"]:
        """Undoes `spread`."""
        return spread[0].transpose(0, 1) if self.one_row else self.tail.distinct(spread)

    def forward(
        self,
        states: States,
        replace: Replace = unchanged,
        of: Sequence[int] | None = None,
        joining: Float[Tensor, "read joining width"] | None = None,
    ) -> Float[Tensor, "read behind width"]:
        """Pass patched states through the block, a few cells at a time.

        Args:
            replace: changes activations ``z``, ``attn_out`` and ``mlp_out`` on the way.
            of: the state that each cell enters with, ascending: cells that part in this block have
                one; None: each its own.
            joining: what the block puts out for further cells.
        """
        of = range(states.shape[1]) if of is None else of
        read = len(self.tail.sets) if self.one_row else len(states)
        every = len(of) + (0 if joining is None else joining.shape[1])
        outputs = states.new_empty(read, every, states.shape[2])
        if joining is not None:
            outputs[:, len(of) :] = joining
        step = max(1, self.max_rows // len(states))
        for start in range(0, len(of), step):
            some = slice(start, start + step)
            x = states[:, of[some][0] : of[some][-1] + 1]
            whole = self.tower.attention_norm(self.number, x)
            x, normed = self._read(x), self._read(whole)
            z = self.passed_attention(self.tower.project(self.number, "q", normed), whole)
            if x.shape[1] < len(of[some]):
                own = [i - of[start] for i in of[some]]
                x, normed, z = x[:, own], normed[:, own], z[:, own]
            z = replace("z", z, some)
            added = replace("attn_out", self.tower.attn_out(self.number, z), some)
            mid = added.add_(self.tower.skip(x, normed))
            normed = self.tower.mlp_norm(self.number, mid)
            added = replace("mlp_out", self.tower.mlp_out(self.number, normed), some)
            outputs[:, start : start + len(of[some])] = added.add_(self.tower.skip(mid, normed))
        return outputs

    def add_mlp(self, mid: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows width"]:
        """Add the MLP's output to the residual stream after attention, in place."""
        rows = mid.flatten(0, -2)
        for start in range(0, len(rows), self.max_rows):
            chunk = rows[start : start + self.max_rows]
            normed = self.tower.mlp_norm(self.number, chunk)
            added = self.tower.mlp_out(self.number, normed)
            torch.add(added, self.tower.skip(chunk, normed), out=chunk)
        return rows.view(mid.shape)

    def past_attention(self, resid: Float[Tensor, "m cells B width"]) -> Outputs:
        """What the skip connection carries past attention, at the rows that are read later."""
        read = self.read_later(resid)
        if not self.tower.shape.post_norm:
            return read
        return self.tower.attention_norm(self.number, read)

    def base_mid(self) -> Float[Tensor, "read 1 width"]:
        """The base run's residual stream between attention and MLP."""
        added = self.read_later(self.base("attn_out"))
        return added.add_(self.past_attention(self.base("resid")))

    @cached_property
    def prefix_keys_values(self) -> tuple[Tensor, Tensor]:
        """Keys and values that the base run has for the prefix [P, B, width]."""
        return self.prefix("k"), self.prefix("v")

    def passed_attention(self, queries: Outputs, normed: States) -> Outputs:
        """z of the rows that are read later, from all rows' input to attention."""
        # Of fewer rows their keys and values cost less, or take less room than inputs by head.
        enough = max(2, self.tower.shape.heads / 4) * len(self.tail.sets)
        if self.one_row and len(normed) >= enough:
            return self._of_inputs(queries, self.tail.spread(normed))
        k, v = (self.tail.spread(self.tower.project(self.number, p, normed)) for p in PARTS[1:])
        return self.attention(queries, k, v)

    def attention(
        self,
        queries: Outputs,
        keys: Float[Tensor, "m cells B width"],
        values: Float[Tensor, "m cells B width"],
        prefix_keys: Float[Tensor, "P B width"] | None = None,
        masks: Masks | None = None,
    ) -> Outputs:
        """z of the rows that are read later.

        Args:
            prefix_keys, masks: the base run's, unless others are given.
        """
        each_key, each_value = self._each(keys), self._each(values)
        return self._attention(
            self.spread(queries),
            lambda query, mask, scale: torch.baddbmm(mask, query, each_key.mT, alpha=scale),
            lambda weights: weights @ each_value,
            self.prefix_keys_values[0] if prefix_keys is None else prefix_keys,
            masks or self.tail.masks,
        )

    def _of_inputs(self, queries: Outputs, normed: Float[Tensor, "m cells B width"]) -> Outputs:
        """z of the one row of each set, with no key and no value of a row ever made.

        A query's product with W_k x + b_k is one of W_k^T q with x, and values are weighted alike
        before W_v as behind it: two products a set instead of two a row.
        """
        tower, number, cells = self.tower, self.number, queries.shape[1]
        queries = self.spread(queries)
        asked, offset = tower.asked_of_input(number, queries[0])
        rows = rearrange(normed, "m c b w -> (c b) m w")

        def score(query: Tensor, mask: Tensor, scale: float) -> Tensor:
            products = rearrange(asked, "h c b w -> (c b) h w") @ rows.mT
            products += rearrange(offset, "h c b 1 -> (c b) h 1")
            return torch.add(mask, products.flatten(0, 1)[:, None], alpha=scale)

        def weigh(weights: Tensor) -> Tensor:
            by_head = weights.view(-1, tower.shape.heads, rows.shape[1])
            mixed = rearrange(by_head @ rows, "(c b) h w -> h c b w", c=cells)
            total = rearrange(by_head.sum(-1), "(c b) h -> h c b 1", c=cells)
            return rearrange(tower.values_of_input(number, mixed, total), "h c b d -> (c b h) 1 d")

        prefix_keys = self.prefix_keys_values[0]
        return self._attention(queries, score, weigh, prefix_keys, self.tail.masks)

    def _attention(
        self,
        queries: Float[Tensor, "r cells B width"],
        score: Callable[[Tensor, Tensor, float], Tensor],
        weigh: Callable[[Tensor], Tensor],
        prefix_keys: Float[Tensor, "P B width"],
        masks: Masks,
    ) -> Outputs:
        """Prefix and tail are scored apart and normalised together.

        Args:
            score: of queries [cBh, r, d], a mask and a scale: mask + scale times their products
                with the tail's keys [cBh, r, m].
            weigh: the tail's values, weighted [cBh, r, d].
        """
        shape, cells = self.tower.shape, queries.shape[1]
        scale = shape.head_width**-0.5
        prefix_mask = masks.prefix[:, None].repeat_interleave(shape.heads, dim=0)
        before = torch.baddbmm(
            prefix_mask, self._shared(queries), self._shared(prefix_keys).mT, alpha=scale
        )
        mask = masks.rows[:, -len(queries) :]  # the last row, unless all see the same
        if len(mask) > 1:
            mask = repeat(mask, "b r k -> (c b h) r k", c=cells, h=shape.heads)
        own = score(self._each(queries), mask, scale)
        before = rearrange(before, "s (r c) k -> (c s) r k", c=cells)
        weights = softmax(torch.cat([before, own], dim=-1))
        before, own = weights.tensor_split([before.shape[-1]], dim=-1)
        z = weigh(own)
        before = rearrange(before, "(c s) r k -> s (r c) k", c=cells)
        z_before = before @ self._shared(self.prefix_keys_values[1])
        z += rearrange(z_before, "s (r c) d -> (c s) r d", c=cells)
        z = rearrange(z, "(c b h) r d -> r c b (h d)", c=cells, h=shape.heads)
        return self.gather(z)

    def _each(self, x: Float[Tensor, "n cells B width"]) -> Float[Tensor, "cBh n head_width"]:
        """One product per cell, sentence and head; a view."""
        return rearrange(x, "n c b (h d) -> (c b h) n d", h=self.tower.shape.heads)

    def _shared(self, x: Float[Tensor, "... B width"]) -> Float[Tensor, "Bh n head_width"]:
        """One product per sentence and head, with the rows of all cells below one another."""
        return rearrange(x, "... b (h d) -> (b h) (...) d", h=self.tower.shape.heads)
