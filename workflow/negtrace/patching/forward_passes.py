"""Forward passes: unpatched runs of batches of sentences, with every activation kept.

A tower that never looks past EOT, because it hides padding or is causal and pools there, gets
sentences cut there; one with a class token gets that token right behind, and every other tower
sentences padded to its full context length (`TowerShape.complete`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from negtrace.models.tower import TextTower
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.kept_runs import kept_or_made

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
    of: Int[Tensor, "batch n"]  # tokens with the same number have the same activations

    def part(self, which: slice) -> Run:
        """The run of some of its sentences; views."""
        kept = (activation[:, which] for activation in self[:5])
        return Run(*kept, *(of_sentence[which] for of_sentence in self[5:]))

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


def run_sentences(tower: TextTower, sentences: Sequence[Sequence[int]]) -> Run:
    """Forward pass of a batch of completed sentences, keeping all activations.

    Within `runs_kept` it may be one that was made before.
    """
    key = (tower, *map(tuple, sentences))
    run: Run = kept_or_made(key, lambda: _run_anew(tower, sentences))
    return run


def _run_anew(tower: TextTower, sentences: Sequence[Sequence[int]]) -> Run:
    """`run_sentences`, whatever was made before.

    Rows that are equal are computed once (`beginnings`).  Attention takes the sentences in groups
    of equal length; activations behind a sentence's end mean nothing.
    """
    tokens, pooled = padded_tokens(sentences, tower.shape)
    lengths = torch.tensor([len(sentence) for sentence in sentences])
    of = beginnings(sentences, shared=tower.shape.causal)
    tokens, pooled, of = (x.to(tower.device) for x in (tokens, pooled, of))
    hidden = tower.shape.hidden_keys(tokens)
    first = first_places(of)
    sizes: list[int] = lengths.unique().tolist()
    groups = [(lengths == n).nonzero()[:, 0].to(tower.device) for n in sizes]
    masks = [attention_mask(hidden[at, :n], tower) for at, n in zip(groups, sizes, strict=True)]
    run = _new_run(tower, pooled, hidden, of)
    x = tower.embed(tokens)[first]
    run.resid[0] = x[of]
    for block in range(1, tower.shape.layers + 1):
        i = block - 1
        normed = tower.attention_norm(block, x)
        run.qkv[i] = tower.qkv(block, normed)[of]
        for at, n, mask in zip(groups, sizes, masks, strict=True):
            q, k, v = map(tower.split_heads, run.qkv[i, at, :n].chunk(3, dim=-1))
            run.z[i, at, :n] = tower.attend(q, k, v, mask)
        z = run.z[i][first]
        run.z[i] = z[of]
        added = tower.attn_out(block, z)
        run.attn_out[i] = added[of]
        mid = added.add_(tower.skip(x, normed))
        normed = tower.mlp_norm(block, mid)
        added = tower.mlp_out(block, normed)
        run.mlp_out[i] = added[of]
        x = added.add_(tower.skip(mid, normed))
        run.resid[block] = x[of]
    for at, n in zip(groups, sizes, strict=True):
        read = run.resid[-1, at, :n]
        if tower.shape.pool != "mean":
            read = read[torch.arange(len(at), device=tower.device), pooled[at]][:, None]
        run.embedding[at] = tower.read_out(read)
    return run


def beginnings(sentences: Sequence[Sequence[Hashable]], shared: bool) -> Int[Tensor, "batch n"]:
    """Which distinct beginning ends at each place of each sequence: a prefix tree's nodes.

    Nodes are numbered by their first place, sequence by sequence; places behind an end have node 0.

    Args:
        sentences: tokens, or whatever else tells rows apart.
        shared: whether a row follows from what it ends; else every place has a node of its own.
    """
    nodes: dict[tuple[int, Hashable], int] = {}
    of = torch.zeros(len(sentences), max(map(len, sentences)), dtype=torch.long)
    for i, sentence in enumerate(sentences):
        node = -1 - (0 if shared else i)
        path: list[int] = []
        for token in sentence:
            node = nodes.setdefault((node, token), len(nodes))
            path.append(node)
        of[i, : len(path)] = torch.tensor(path, dtype=torch.long)
    return of


def first_places(of: Int[Tensor, "batch n"]) -> tuple[Int[Tensor, " nodes"], Int[Tensor, " nodes"]]:
    """Sequence and place at which each node of `beginnings` stands first."""
    flat = of.flatten()
    first = torch.full((int(flat.max()) + 1,), len(flat), device=of.device)
    first.scatter_reduce_(0, flat, torch.arange(len(flat), device=of.device), "amin")
    return first // of.shape[1], first % of.shape[1]


def _new_run(
    tower: TextTower,
    pooled: Int[Tensor, " batch"],
    hidden: Bool[Tensor, "batch n"],
    of: Int[Tensor, "batch n"],
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
        of=of,
    )


def run_bytes(shape: TowerShape, n: int, itemsize: int) -> int:
    """Memory of one sentence's `Run` at n tokens."""
    return n * shape.width * itemsize * (7 * shape.layers + 1)


def as_array(tensor: Tensor) -> np.ndarray:
    """A numpy array in the tensor's precision."""
    return tensor.cpu().numpy()
