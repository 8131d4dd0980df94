"""Runs: the unpatched forward passes of both sentences of each pair, with every activation kept.

A causal tower that pools at EOT never looks past EOT, so its sentences are cut there; one with a
class token gets that token right behind, and every other tower sentences padded to its full
context length (`TowerShape.complete`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from negtrace.tower import TextTower, TowerShape

Polarity = Literal["negated", "affirmative"]
Direction = Literal["negate", "affirm"]

SOURCE_OF: dict[str, Polarity] = {"negate": "negated", "affirm": "affirmative"}
BASE_OF: dict[str, Polarity] = {"negate": "affirmative", "affirm": "negated"}


@dataclass(frozen=True)
class Sentence:
    """One tokenised sentence, start token to EOT and what `TowerShape.complete` adds.

    Attributes:
        tokens: token ids.
        roles: what each token is (see `alignment.py`).
        counterparts: position of the same token in the pair's other sentence, or -1.
    """

    tokens: tuple[int, ...]
    roles: tuple[str, ...]
    counterparts: tuple[int, ...]


@dataclass(frozen=True)
class SentencePair:
    """The two sentences of a minimal pair."""

    pair_id: str
    negated: Sentence
    affirmative: Sentence

    def sentence(self, polarity: str) -> Sentence:
        return self.negated if polarity == "negated" else self.affirmative


def sentence_pairs(alignment: pd.DataFrame) -> list[SentencePair]:
    """The pairs of an alignment table, in order of first appearance."""
    sentences: dict[str, dict[str, Sentence]] = {}
    ordered = alignment.sort_values("position", kind="stable")
    for (pair_id, polarity), rows in ordered.groupby(["pair_id", "polarity"], observed=True):
        sentences.setdefault(str(pair_id), {})[str(polarity)] = Sentence(
            tuple(rows["token_id"].astype(int)),
            tuple(rows["role"].astype(str)),
            tuple(rows["counterpart"].fillna(-1).astype(int)),
        )
    return [
        SentencePair(pair_id, **sentences[pair_id])
        for pair_id in map(str, alignment["pair_id"].drop_duplicates())
    ]


class Run(NamedTuple):
    """Every activation of one batch of sentences; blocks and hidden states index the first axis."""

    resid: Float[
        Tensor, "hidden_states batch n width"
    ]  # 0 is the embedding, l the output of block l
    qkv: Float[Tensor, "blocks batch n three_width"]
    z: Float[Tensor, "blocks batch n width"]
    mid: Float[Tensor, "blocks batch n width"]  # residual stream between attention and MLP
    pooled: Int[Tensor, " batch"]  # position that the sentence embedding is read from
    embedding: Float[Tensor, "batch embed_dim"]


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
        "last": end,
    }[shape.pool]
    return padded, pooled


def visibility(
    pooled: Int[Tensor, " batch"], n: int, shape: TowerShape
) -> Bool[Tensor, "#batch n n"] | None:
    """visible[sentence, query, key]: keys up to the query's own position; None if all are."""
    if not shape.causal:
        return None
    visible = torch.ones(n, n, dtype=torch.bool, device=pooled.device).tril()[None]
    if shape.pool == "class":
        visible = visible.repeat(len(pooled), 1, 1)
        visible[torch.arange(len(pooled), device=pooled.device), pooled, pooled] = False
    return visible


def run_sentences(tower: TextTower, sentences: Sequence[Sequence[int]]) -> Run:
    """Forward pass of a batch of completed sentences, keeping all activations.

    Sentences pass in groups of equal length, so that no padding is computed that cannot matter;
    activations behind a sentence's end are 0.
    """
    shape = tower.shape
    tokens, pooled = padded_tokens(sentences, shape)
    tokens, pooled = tokens.to(tower.device), pooled.to(tower.device)
    batch, n = tokens.shape
    new = tower.weights["token_embedding"].new_zeros
    run = Run(
        resid=new(shape.layers + 1, batch, n, shape.width),
        qkv=new(shape.layers, batch, n, 3 * shape.width),
        z=new(shape.layers, batch, n, shape.width),
        mid=new(shape.layers, batch, n, shape.width),
        pooled=pooled,
        embedding=new(batch, shape.embed_dim, dtype=tower.readout_dtype),
    )
    groups: dict[int, list[int]] = defaultdict(list)
    for row, sentence in enumerate(sentences):
        groups[len(sentence)].append(row)
    for width, rows in sorted(groups.items()):
        at = torch.tensor(rows, device=tower.device)
        _run_group(tower, tokens[at, :width], pooled[at], run, at)
    return run


def _run_group(tower: TextTower, tokens: Tensor, pooled: Tensor, run: Run, at: Tensor) -> None:
    """Forward pass of sentences of one length; writes into the rows `at` of a run."""
    n = tokens.shape[1]
    visible = visibility(pooled, n, tower.shape)
    x = tower.embed(tokens)
    run.resid[0, at, :n] = x
    for block in range(1, tower.shape.layers + 1):
        qkv = tower.qkv(block, x)
        z = tower.attend(*qkv.chunk(3, dim=-1), visible)
        mid = x + tower.attn_out(block, z)
        x = mid + tower.mlp_out(block, mid)
        run.qkv[block - 1, at, :n], run.z[block - 1, at, :n] = qkv, z
        run.mid[block - 1, at, :n], run.resid[block, at, :n] = mid, x
    run.embedding[at] = tower.read_out(x[torch.arange(len(at), device=x.device), pooled])


def run_bytes(shape: TowerShape, n: int, itemsize: int) -> int:
    """Memory of one sentence's `Run` at n tokens."""
    return n * shape.width * itemsize * (6 * shape.layers + 1)


def as_array(tensor: Tensor) -> np.ndarray:
    """A numpy array in the tensor's precision."""
    return tensor.cpu().numpy()


@torch.inference_mode()
def sentence_embeddings(
    tower: TextTower, alignment: pd.DataFrame, memory_gb: float = 1.0
) -> pd.DataFrame:
    """Unit-norm embedding of both sentences of every pair.

    Returns:
        columns pair_id, polarity, embedding (array of embed_dim values, in the tower's precision).
    """
    rows = [
        (pair.pair_id, polarity, pair.sentence(polarity).tokens)
        for pair in sentence_pairs(alignment)
        for polarity in ("negated", "affirmative")
    ]
    longest = max(len(tokens) for *_, tokens in rows)
    per_sentence = run_bytes(tower.shape, longest, tower.dtype.itemsize)
    size = max(1, int(memory_gb * 2**30 / 2 / per_sentence))
    embeddings = [
        run_sentences(tower, [tokens for *_, tokens in rows[i : i + size]]).embedding
        for i in range(0, len(rows), size)
    ]
    return pd.DataFrame(
        {
            "pair_id": [pair_id for pair_id, *_ in rows],
            "polarity": [polarity for _, polarity, _ in rows],
            "embedding": list(as_array(torch.cat(embeddings))),
        }
    )


def scores(
    candidates: pd.DataFrame, sentences: pd.DataFrame, images: pd.DataFrame, logit_scale: float
) -> pd.DataFrame:
    """S(sentence, image) = logit scale x cosine, and d = S(caption) - S(foil), per item.

    Returns:
        columns item_id, pair_id, negation, s_negated, s_affirmative, s_caption, s_foil, d; one
        row per candidate in their order.
    """
    by_sentence = sentences.set_index(["pair_id", "polarity"])["embedding"]
    pictures = item_vectors(candidates, images)
    s = {}
    for polarity in ("negated", "affirmative"):
        index = pd.MultiIndex.from_product([candidates["pair_id"], [polarity]])
        vectors = np.stack(list(by_sentence.loc[index])).astype(np.float64)
        s[polarity] = logit_scale * np.einsum("ie,ie->i", vectors, pictures)
    in_caption = (candidates["negation"] == "caption").to_numpy()
    s_caption = np.where(in_caption, s["negated"], s["affirmative"])
    s_foil = np.where(in_caption, s["affirmative"], s["negated"])
    return pd.DataFrame(
        {
            "item_id": candidates["item_id"].to_numpy(),
            "pair_id": candidates["pair_id"].to_numpy(),
            "negation": candidates["negation"].to_numpy(),
            "s_negated": s["negated"],
            "s_affirmative": s["affirmative"],
            "s_caption": s_caption,
            "s_foil": s_foil,
            "d": s_caption - s_foil,
        }
    )


def pictured(candidates: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """The candidates whose image has an embedding: those whose image could be had."""
    return candidates[candidates["image_file"].isin(images["image_file"])].reset_index(drop=True)


def item_vectors(candidates: pd.DataFrame, images: pd.DataFrame) -> np.ndarray:
    """Image embedding of every item, float64 [items, embed_dim]."""
    by_file = images.set_index("image_file")["embedding"]
    return np.stack(list(by_file.loc[candidates["image_file"]])).astype(np.float64)
