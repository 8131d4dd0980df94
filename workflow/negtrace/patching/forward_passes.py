"""Forward passes: unpatched runs of batches of sentences, with every activation kept.

A tower that never looks past EOT, because it hides padding or is causal and pools there, gets
sentences cut there; one with a class token gets that token right behind, and every other tower
sentences padded to its full context length (`TowerShape.complete`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from negtrace.models.tower import TextTower
from negtrace.models.tower_shape import TowerShape

HiddenStates = Float[Tensor, "hidden_states batch n width"]
PerBlock = Float[Tensor, "blocks batch n features"]


class Run(NamedTuple):
    """Every activation of one batch of sentences; blocks and hidden states index the first axis."""

    resid: HiddenStates  # 0 is the embedding, l the output of block l
    qkv: PerBlock  # queries, keys and values side by side
    z: PerBlock
    attn_out: PerBlock  # what attention adds to the residual stream
    mlp_out: PerBlock  # what the MLP adds
    pooled: Int[Tensor, " batch"]  # position that the sentence embedding is read from
    hidden: Bool[Tensor, "batch n"]  # keys that no query sees (`TowerShape.hidden_keys`)
    embedding: Float[Tensor, "batch embed_dim"]

    def activation(self, name: str, block: int) -> Float[Tensor, "batch n features"]:
        """One activation of one block.

        Args:
            name: a field's name (``resid``: what the block reads), or ``q``, ``k`` or ``v``.
            block: from 1; L + 1 reads hidden state L.
        """
        i = block - 1
        if name in ("q", "k", "v"):
            return self.qkv[i].chunk(3, dim=-1)["qkv".index(name)]
        whole: Tensor = getattr(self, name)
        return whole[i]


def padded_tokens(
    sentences: Sequence[Sequence[int]], shape: TowerShape
) -> tuple[Int[Tensor, "batch n"], Int[Tensor, " batch"]]:
    """Token ids padded to a common length, and each sentence's pooled position.

    Args:
        sentences: token ids, completed (`TowerShape.complete`).
    """
    lengths = [len(tokens) for tokens in sentences]
    n = max(lengths)
    padded = torch.full((len(sentences), n), shape.pad_id)
    for row, tokens in enumerate(sentences):
        padded[row, : len(tokens)] = torch.tensor(tokens)
    end = torch.tensor(lengths) - 1
    pooled = {
        "eot": n - 1 - (padded != shape.pad_id).int().flip(1).argmax(1),  # the last that is no pad
        "class": end,
        "first": torch.zeros(len(sentences), dtype=torch.long),
        "mean": end,  # and all before
        "last": end,
    }[shape.pool]
    return padded, pooled


def attention_mask(
    hidden: Bool[Tensor, "batch n"], tower: TextTower
) -> Float[Tensor, "#batch n n"] | None:
    """Added to attention scores: -inf at hidden keys and at those behind the query.

    Returns:
        one mask for all sentences where none has a hidden key; None if every key is visible.
    """
    n, hides = hidden.shape[1], bool(hidden.any())
    if not tower.shape.causal and not hides:
        return None
    unseen = torch.full((1, n, n), tower.shape.causal, device=hidden.device).triu(1)
    if hides:
        unseen = unseen | hidden[:, None]
    return torch.zeros(unseen.shape, dtype=tower.dtype, device=hidden.device).masked_fill_(
        unseen, float("-inf")
    )


class Prefixes(NamedTuple):
    """What sentences begin with, each distinct beginning computed once."""

    run: Run  # of the distinct prefixes
    of: Int[Tensor, " batch"]  # which of them each sentence begins with
    length: int


def run_sentences(tower: TextTower, sentences: Sequence[Sequence[int]]) -> Run:
    """Forward pass of a batch of completed sentences, keeping all activations.

    What a causal tower makes of the sentences' first tokens is computed once per distinct prefix.
    The rest passes in groups of equal length, so that no padding is computed that cannot matter;
    activations behind a sentence's end are 0.
    """
    tokens, pooled = padded_tokens(sentences, tower.shape)
    lengths = torch.tensor([len(sentence) for sentence in sentences])
    shared = shared_length(tokens, lengths, tower.shape)
    tokens, pooled = tokens.to(tower.device), pooled.to(tower.device)
    hidden = tower.shape.hidden_keys(tokens)
    run = _new_run(tower, pooled, hidden)
    prefixes = None
    if shared:
        distinct, of = tokens[:, :shared].unique(dim=0, return_inverse=True)
        every = torch.arange(len(distinct), device=tower.device)
        ends = torch.full_like(every, shared - 1)
        prefixes = Prefixes(_new_run(tower, ends, tower.shape.hidden_keys(distinct)), of, shared)
        mask = attention_mask(prefixes.run.hidden, tower)
        _run_rows(tower, distinct, mask, prefixes.run, every)
    for length in lengths.unique().tolist():
        at = (lengths == length).nonzero()[:, 0].to(tower.device)
        for activation in run[:5]:
            activation[:, at, length:] = 0
        mask = attention_mask(hidden[at, :length], tower)
        last = _run_rows(tower, tokens[at, :length], mask, run, at, prefixes)
        if tower.shape.pool != "mean":
            rows = torch.arange(len(at), device=tower.device)[:, None]
            last = last[rows, pooled[at][:, None] - shared]
        run.embedding[at] = tower.read_out(last)
    return run


def shared_length(
    tokens: Int[Tensor, "batch n"], lengths: Int[Tensor, " batch"], shape: TowerShape
) -> int:
    """How many first tokens to compute once per distinct prefix, so that fewest rows are computed.

    A prefix ends before the last token of the shortest sentence: that one is the pooled row, whose
    state is the sentence's own.  0 for towers whose rows see what
    follows them, and so differ between sentences that begin alike.
    """
    if shape.reads_whole_context or not shape.causal:
        return 0
    rows = [int(lengths.sum())]
    for length in range(1, int(lengths.min())):
        distinct = len(tokens[:, :length].unique(dim=0))
        rows.append(distinct * length + int((lengths - length).sum()))
    return int(np.argmin(rows))


def _new_run(
    tower: TextTower, pooled: Int[Tensor, " batch"], hidden: Bool[Tensor, "batch n"]
) -> Run:
    """Room for the activations of sentences of up to n tokens."""
    shape, new, (batch, n) = tower.shape, tower.weights["token_embedding"].new_empty, hidden.shape
    return Run(
        resid=new(shape.layers + 1, batch, n, shape.width),
        qkv=new(shape.layers, batch, n, 3 * shape.width),
        z=new(shape.layers, batch, n, shape.width),
        attn_out=new(shape.layers, batch, n, shape.width),
        mlp_out=new(shape.layers, batch, n, shape.width),
        pooled=pooled,
        hidden=hidden,
        embedding=new(batch, shape.embed_dim, dtype=tower.readout_dtype),
    )


def _run_rows(
    tower: TextTower,
    tokens: Int[Tensor, "batch n"],
    mask: Float[Tensor, "#batch n n"] | None,
    run: Run,
    at: Int[Tensor, " batch"],
    prefixes: Prefixes | None = None,
) -> Float[Tensor, "batch rows width"]:
    """Forward pass of sentences of one length; writes into the rows `at` of a run.

    Returns:
        hidden state L of the rows behind the prefix.
    """
    n, first = tokens.shape[1], 0
    if prefixes:
        first, of = prefixes.length, prefixes.of[at]
        for activation, known in zip(run[:5], prefixes.run[:5], strict=True):
            activation[:, at, :first] = known[:, of]
    x = tower.embed(tokens)[:, first:]
    mask = None if mask is None else mask[:, first:]
    run.resid[0, at, first:n] = x
    for block in range(1, tower.shape.layers + 1):
        i = block - 1
        normed = tower.attention_norm(block, x)
        qkv = tower.qkv(block, normed)
        run.qkv[i, at, first:n] = qkv
        q, k, v = map(tower.split_heads, qkv.chunk(3, dim=-1))
        if prefixes:
            k, v = map(tower.split_heads, run.qkv[i, at, :n].chunk(3, dim=-1)[1:])
        z = tower.attend(q, k, v, mask)
        added = tower.attn_out(block, z)
        run.z[i, at, first:n], run.attn_out[i, at, first:n] = z, added
        mid = added.add_(tower.skip(x, normed))
        normed = tower.mlp_norm(block, mid)
        added = tower.mlp_out(block, normed)
        run.mlp_out[i, at, first:n] = added
        x = added.add_(tower.skip(mid, normed))
        run.resid[block, at, first:n] = x
    return x


def run_bytes(shape: TowerShape, n: int, itemsize: int) -> int:
    """Memory of one sentence's `Run` at n tokens."""
    return n * shape.width * itemsize * (7 * shape.layers + 1)


def as_array(tensor: Tensor) -> np.ndarray:
    """A numpy array in the tensor's precision."""
    return tensor.cpu().numpy()
