"""Edge patches: a sender's source output in the input of one receiver, and what comes of it.

Path patching (Wang et al. 2022, arXiv 2211.00593; Goldowsky-Dill et al. 2023, arXiv 2304.05969), of
edges.  All that lies between sender and receiver is the base run's, so the receiver's input is

    residual stream of the base run + (sender's output in the source run - in the base run)

at the patched tokens.  Its LayerNorm is computed anew; the other receivers of the block read the
base run.  What changes is one head's z, one MLP's output or what is read out, and from there on the
changed residual stream goes the way of every patch (`tail_block.py`).

All senders of a receiver are the cells of one tail.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from negtrace.models.tower import PARTS, TextTower, softmax
from negtrace.patching.edges import READ_OUT, Receiver, Sender
from negtrace.patching.propagation import read_out
from negtrace.patching.tail_block import Outputs, TailBlock
from negtrace.patching.tails import PairBatch, Tail

Changes = Float[Tensor, "rows senders B width"]


def edge_embeddings(
    tower: TextTower,
    batch: PairBatch,
    tail: Tail,
    receiver: Receiver,
    senders: Sequence[Sender],
    max_rows: int,
) -> Float[Tensor, "senders B embed_dim"]:
    """Sentence embeddings with the edge from each sender patched.

    Args:
        senders: all of them write before the receiver reads.
        max_rows: rows (tokens) per matrix product.
    """
    at = tail.replaced.any(dim=1).nonzero()[:, 0]
    changes = sender_changes(tower, batch, tail, senders, at)
    block = TailBlock(tower, batch, tail, receiver.block, max_rows)
    if receiver.reads == READ_OUT:
        states = block.base("resid").repeat(1, len(senders), 1, 1)
        states[at] += changes
        return read_out(tower, tail, block.read_later(states))
    if receiver.head is None:
        states = mlp_states(block, changes, at)
    else:
        written = write_of_head(block, receiver.head, head_change(block, receiver, changes, at))
        states = block.add_mlp(block.base_mid() + written)
    for number in range(receiver.block + 1, tower.shape.layers + 1):
        states = TailBlock(tower, batch, tail, number, max_rows).forward(states)
    return read_out(tower, tail, states)


def sender_changes(
    tower: TextTower,
    batch: PairBatch,
    tail: Tail,
    senders: Sequence[Sender],
    at: Int[Tensor, " rows"],
) -> Changes:
    """Each sender's output in the source run minus that in the base run; 0 at other tokens.

    Args:
        at: the rows of the tail at which any set is patched.
    """
    replaced = tail.replaced[at, :, None]
    found = []
    for sender in senders:
        block = TailBlock(tower, batch, tail, max(sender.block, 1), 1)
        name = "resid" if not sender.block else "mlp_out" if sender.head is None else "z"
        change = (block.source(name) - block.base(name))[at, 0] * replaced
        if sender.head is not None:
            change = write_of_head(block, sender.head, of_head(block, change, sender.head))
        found.append(change)
    return torch.stack(found, dim=1)


def of_head(
    block: TailBlock, values: Float[Tensor, "*rows width"], head: int
) -> Float[Tensor, "*rows head_width"]:
    """One head's columns of z, queries, keys or values; a view."""
    size = block.tower.shape.head_width
    return values[..., (head - 1) * size : head * size]


def write_of_head(
    block: TailBlock, head: int, z: Float[Tensor, "*rows head_width"]
) -> Float[Tensor, "*rows width"]:
    """What one head adds to the residual stream: its columns of W_O."""
    return F.linear(z, of_head(block, block.tower.blocks[block.number - 1]["out.weight"], head))


def mlp_states(block: TailBlock, changes: Changes, at: Int[Tensor, " rows"]) -> Outputs:
    """The block's output where its MLP reads the changed residual stream."""
    mid = block.base("resid") + block.base("attn_out")
    states = (mid + block.base("mlp_out")).repeat(1, changes.shape[1], 1, 1)
    read = block.add_mlp((mid[at] + changes).contiguous()) - changes
    states[at] = torch.where(block.tail.replaced[at, None, :, None], read, states[at])
    return block.read_later(states)


def head_change(
    block: TailBlock, receiver: Receiver, changes: Changes, at: Int[Tensor, " rows"]
) -> Float[Tensor, "read senders head_width"]:
    """How one head's z changes at the rows that are read later, by its changed input."""
    head = receiver.head
    assert head is not None
    resid = block.base("resid")[at]
    normed = block.tower.attention_norm(block.number, resid + changes)
    normed = normed - block.tower.attention_norm(block.number, resid)
    weights = block.tower.blocks[block.number - 1]["qkv.weight"].chunk(3)
    base = {name: of_head(block, block.base(name), head) for name in PARTS}
    changed = dict(base)
    for part, weight in zip(PARTS, weights, strict=True):
        if receiver.reads in (part, "head"):
            changed[part] = base[part].repeat(1, changes.shape[1], 1, 1)
            changed[part][at] += F.linear(normed, of_head(block, weight.T, head).T)
    return z_of_head(block, head, **changed) - z_of_head(block, head, **base)


def z_of_head(
    block: TailBlock,
    head: int,
    q: Float[Tensor, "m cells B head_width"],
    k: Float[Tensor, "m cells B head_width"],
    v: Float[Tensor, "m cells B head_width"],
) -> Float[Tensor, "read cells head_width"]:
    """One head's z at the rows that are read later; `TailBlock.attention` has all heads'."""
    keys, values = (of_head(block, x, head) for x in block.prefix_keys_values)
    scale, masks = block.tower.shape.head_width**-0.5, block.tail.masks
    q = block.spread(block.read_later(q)) * scale
    before = torch.einsum("icbd,pbd->cbip", q, keys) + masks.prefix[:, None]
    own = torch.einsum("icbd,jcbd->cbij", q, k) + masks.rows[:, -len(q) :]
    before = before.expand(len(own), -1, -1, -1)
    weights = softmax(torch.cat([before, own], dim=-1))
    before, own = weights.tensor_split([before.shape[-1]], dim=-1)
    z = torch.einsum("cbij,jcbd->icbd", own, v)
    return block.gather(z + torch.einsum("cbip,pbd->icbd", before, values))
