"""Sites: which activation a patch replaces, and what that makes of the residual stream.

A site is one entry of `SITES`.  Its function gives the output of the block that is patched, and
computes what the patch changes there; from there on all sites are alike (`propagation.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from negtrace.models.tower import Part
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.tail_block import Heads, Outputs, Replace, TailBlock, unchanged
from negtrace.patching.tails import visible

Activation = Literal["resid", "attn_out", "mlp_out", "z", "q", "k", "v", "pattern"]

Parts = tuple[tuple[int, Heads], ...]  # blocks, ascending, each with its heads

# One cell per entry of the second argument.
Patch = Callable[[TailBlock, Sequence[Heads]], Outputs]


@dataclass(frozen=True)
class Cell:
    """What is patched together.

    Attributes:
        layer: hidden state, or first patched block.
        head: the head's number from 1, or None.
        parts: what is patched.  A hidden state is patched where it is read: L by a block L + 1
            that does not exist.
    """

    layer: int
    head: int | None
    parts: Parts

    def until(self, block: int) -> Parts:
        """What is patched in a block and before it: cells that agree in it have one state there."""
        return tuple(part for part in self.parts if part[0] <= block)


@dataclass(frozen=True)
class Site:
    """One kind of activation; all else that distinguishes sites follows from `activation`.

    Attributes:
        name: as in the configuration and in tables.
        activation: what is replaced in a block.
        patch: the block's output after it, at the rows that are read later.
    """

    name: str
    activation: Activation
    patch: Patch

    @property
    def counts_hidden_states(self) -> bool:
        """Whether layers are hidden states 0..L rather than blocks 1..L."""
        return self.activation == "resid"

    @property
    def by_head(self) -> bool:
        """Whether each head is a cell of its own."""
        return self.activation in ("z", "q", "k", "v", "pattern")

    @property
    def positions(self) -> Literal["each", "all"]:
        """Whether, unless told otherwise, a cell is one position or all: heads are many enough."""
        return "all" if self.by_head else "each"

    @property
    def read_by_later_rows(self) -> bool:
        """Whether a patched position changes other rows within the block that it is patched in."""
        return self.activation in ("k", "v")

    @property
    def same_positions(self) -> bool:
        """Whether both sentences' tokens must stand in the same places: weights are of two."""
        return self.activation == "pattern"

    @property
    def windows(self) -> bool:
        """Whether several blocks can be patched at once (`TailBlock.forward` replaces these)."""
        return self.activation in ("z", "attn_out", "mlp_out")

    def layers(self, shape: TowerShape) -> range:
        """All layers that the site has, hidden state L included."""
        return range(0 if self.counts_hidden_states else 1, shape.layers + 1)

    def cells(self, shape: TowerShape, window: int = 1) -> list[Cell]:
        """All cells, by layer and head; a window spans that many consecutive blocks."""
        heads = range(1, shape.heads + 1) if self.by_head else (None,)
        return [
            Cell(
                layer,
                head,
                tuple(
                    (layer + k + self.counts_hidden_states, None if head is None else (head,))
                    for k in range(window)
                ),
            )
            for layer in self.layers(shape)[: len(self.layers(shape)) + 1 - window]
            for head in heads
        ]

    def replace(self, block: TailBlock, heads_of: Sequence[Heads]) -> Replace:
        """The replacement of the site's activation on the way of cells through a block.

        Args:
            heads_of: the heads that each cell patches there; () for none, None for all of it.
        """
        if not any(heads != () for heads in heads_of):
            return unchanged
        source = block.read_later(block.source(self.activation))
        rows = block.read_later(block.tail.replaced[:, None, :, None])
        shape = block.tower.shape
        chosen = torch.zeros(len(heads_of), shape.heads, shape.head_width, dtype=torch.bool)
        for columns, heads in zip(chosen, heads_of, strict=True):
            columns[slice(None) if heads is None else [head - 1 for head in heads]] = True
        columns_of = chosen.flatten(1).to(source.device)

        def replace(name: str, value: Outputs, some: slice) -> Outputs:
            if name != self.activation:
                return value
            return torch.where(rows & columns_of[some], source, value)

        return replace


def head_set(heads: Sequence[tuple[int, int]]) -> Cell:
    """One cell that patches several heads, given as (block, head), at once."""
    blocks = sorted({block for block, _ in heads})
    parts = tuple((b, tuple(sorted(h for block, h in heads if block == b))) for b in blocks)
    return Cell(blocks[0], None, parts)


def patch_resid(block: TailBlock, heads: Sequence[Heads]) -> Outputs:
    """Replace what the block reads.

    Its queries, keys and values are those of the runs it comes from, so none is projected anew,
    unless the source is not a run.
    """
    x = block.patched("resid")
    of_runs = block.batch.source_is_run
    if of_runs:
        qkv = block.patched("qkv")
    else:
        qkv = block.tower.qkv(block.number, block.tower.attention_norm(block.number, x))
    q, k, v = qkv.chunk(3, dim=-1)
    z = block.attention(block.read_later(q), k, v)
    return block.add_mlp(block.tower.attn_out(block.number, z).add_(block.past_attention(x)))


def patch_attn_out(block: TailBlock, heads: Sequence[Heads]) -> Outputs:
    """Replace what attention adds to the residual stream."""
    added = block.read_later(block.patched("attn_out"))
    return block.add_mlp(added.add_(block.past_attention(block.base("resid"))))


def patch_mlp_out(block: TailBlock, heads: Sequence[Heads]) -> Outputs:
    """Replace what the MLP adds to the residual stream."""
    mid = block.base_mid()
    carried = block.tower.skip(mid, block.tower.mlp_norm(block.number, mid))
    return block.read_later(block.patched("mlp_out")).add_(carried)


def patch_z(block: TailBlock, heads: Sequence[Heads]) -> Outputs:
    """Replace heads' z."""
    return _changed_heads(block, heads, block.read_later(block.patched("z")))


def patch_projection(part: Part) -> Patch:
    """Replace heads' queries, keys or values."""

    def patch(block: TailBlock, heads: Sequence[Heads]) -> Outputs:
        q, k, v = (block.patched(p) if p == part else block.base(p) for p in "qkv")
        return _changed_heads(block, heads, block.attention(block.read_later(q), k, v))

    return patch


def patch_pattern(block: TailBlock, heads: Sequence[Heads]) -> Outputs:
    """Replace heads' attention weights in the patched rows; the values stay the base run's."""
    tail, base = block.tail, block.base("z")
    source = block.batch.source
    keys = source.activation("k", block.number)  # at the base sentence's positions
    z = block.attention(
        block.read_later(block.source("q")),
        tail.at(keys, tail.rows),
        block.base("v"),
        prefix_keys=tail.at(keys, tail.prefix)[:, 0],
        masks=visible(source, tail.pairs, tail.rows, len(tail.prefix), block.tower.shape.causal),
    )
    replaced = block.read_later(tail.replaced[:, None, :, None])
    return _changed_heads(block, heads, torch.where(replaced, z, block.read_later(base)))


def _changed_heads(
    block: TailBlock, heads: Sequence[Heads], z: Float[Tensor, "rows 1 width"]
) -> Outputs:
    """The block's output where z changes in some heads alone.

    Args:
        heads: of each cell.
        z: with all heads patched.
    """
    change = z - block.read_later(block.base("z"))
    added = block.tower.heads_out(block.number, change[:, 0])
    every = range(1, len(added) + 1)
    sums = [added[[head - 1 for head in chosen or every]].sum(0) for chosen in heads]
    return block.add_mlp(block.base_mid() + torch.stack(sums, dim=1))


SITES: dict[str, Site] = {
    site.name: site
    for site in (
        Site("resid", "resid", patch_resid),
        Site("attn_out", "attn_out", patch_attn_out),
        Site("mlp_out", "mlp_out", patch_mlp_out),
        Site("head", "z", patch_z),
        Site("q", "q", patch_projection("q")),
        Site("k", "k", patch_projection("k")),
        Site("v", "v", patch_projection("v")),
        Site("pattern", "pattern", patch_pattern),
    )
}
