"""Direct contributions: d split into what every head, MLP and the embedding write at the read-out.

The residual stream at the pooled position (EOT, or where the tower reads) is a sum::

    resid[L] = resid[0] + sum over blocks of (sum over heads of W_O z + b_O + mlp_out)

The final LayerNorm is linear but for its division by sigma, and the sentence embedding but for the
division by its length n.  Dividing by the run's own sigma and n, every term c scores by itself::

    S_c = logit scale x (c M . image) / (sigma n),  M = centring x gain x projection

and the scores of all terms add up to S(s, i) exactly (up to the rounding of the tower's precision).
LayerNorm's bias and the projection's, if any, are the term ``constant``.  d splits into the
differences of the two runs' terms, each run with its own sigma and n (direct logit attribution,
Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; for CLIP's image encoder
Gandelsman et al. 2024, arXiv 2310.05916).

A direct contribution is what a head writes into the embedding itself.  What it passes on to later
blocks counts as theirs; restoration measures both together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from negtrace.errors import InputError
from negtrace.models.tower import TextTower
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.ablated_runs import membership
from negtrace.patching.forward_passes import Run, as_array, attention_mask, run_bytes, run_sentences
from negtrace.patching.scores import item_vectors
from negtrace.patching.sentences import Sentence, sentence_pairs
from negtrace.progress import silent
from negtrace.statistics.groups import COMPONENT_KEYS
from negtrace.vocabulary import POLARITIES, Polarity

BYTES_PER_VALUE = 8  # terms are float64


class ReadOut(NamedTuple):
    """The way from hidden state L at the pooled position to the embedding, in float64."""

    matrix: Float[Tensor, "width embed_dim"]  # centring, LayerNorm's gain and projection in one
    constant: Float[Tensor, " embed_dim"]  # the biases of LayerNorm and projection

    def scales(self, final: Float[Tensor, "batch width"], eps: float) -> tuple[Tensor, Tensor]:
        """Per run: 1 / (sigma n), which its terms are multiplied with, and 1 / n [batch]."""
        sigma = (final.var(dim=-1, correction=0) + eps).sqrt()
        n = (final @ self.matrix / sigma[:, None] + self.constant).norm(dim=-1)
        return 1 / (sigma * n), 1 / n


def read_out_of(tower: TextTower) -> ReadOut:
    """A tower's final LayerNorm and projection."""
    w = {name: w.double() for name, w in tower.weights.items() if not name.startswith("blocks.")}
    width = tower.shape.width
    projection = w.get("projection", torch.eye(width, dtype=torch.float64, device=tower.device))
    matrix = w["ln_final.weight"][:, None] * projection
    constant = w["ln_final.bias"] @ projection
    return ReadOut(matrix - matrix.mean(0), constant + w.get("projection_bias", 0))


def check_linear(shape: TowerShape) -> None:
    """A sum over components has to reach the embedding as a sum.

    Raises:
        InputError: the tower normalises the stream itself, or its read-out is no linear map.
    """
    if shape.post_norm or shape.read_out or shape.pool == "mean":
        raise InputError(
            "direct contributions are not defined for this text tower: its residual stream is "
            "normalised on the way, averaged, or read out by a non-linear layer, so that d is no "
            "sum over heads and MLPs; leave contributions out of study.confirm"
        )


def components(shape: TowerShape, roles: Sequence[str] = ()) -> pd.DataFrame:
    """All terms in their order: component, layer, head, role.

    Args:
        roles: split every head by the role of the position it reads from; empty: not split.
    """
    rows: list[tuple[str, int | None, int | None, str | None]] = [("embedding", None, None, None)]
    for layer in range(1, shape.layers + 1):
        for head in range(1, shape.heads + 1):
            rows += [("head", layer, head, role) for role in roles or (None,)]
        rows += [("attention_bias", layer, None, None), ("mlp", layer, None, None)]
    table = pd.DataFrame([*rows, ("constant", None, None, None)], columns=COMPONENT_KEYS)
    return table.astype({"layer": "Int16", "head": "Int16", "role": "string"})


@torch.inference_mode()
def contributions(
    tower: TextTower,
    alignment: pd.DataFrame,
    candidates: pd.DataFrame,
    images: pd.DataFrame,
    logit_scale: float,
    by_role: bool = False,
    memory_gb: float = 2.0,
    progress: Callable[..., Any] = silent,
) -> pd.DataFrame:
    """Direct contribution of every component to both scores and to d of every item, in logits.

    Args:
        tower: a text tower whose residual stream is a sum that is read out linearly.
        alignment, candidates, images: tables of those names; every candidate has an image.
        logit_scale: factor between a cosine and a score.
        by_role: split every head by the role of its source position: A(pooled -> position) v W_O,
            summed over the positions of a role.  A role that a sentence lacks contributes 0.
        memory_gb: budget for activations and terms.
        progress: called with ``total`` and ``desc``, returns a bar with ``update`` and ``close``.

    Returns:
        item_id, pair_id, component (embedding, head, attention_bias, mlp or constant), layer (null
        for embedding and constant), head (null but for heads), role (of the source position; null
        unless `by_role`), s_negated, s_affirmative, d.  Summed over the rows of an item, the last
        three are the item's scores and d.

    Raises:
        InputError: a candidate's pair is not in `alignment`, or the tower has no such sum.
    """
    check_linear(tower.shape)
    candidates = candidates.reset_index(drop=True)
    of_pair = candidates.groupby("pair_id", observed=True).indices
    items = {str(pair): np.asarray(rows) for pair, rows in of_pair.items()}
    pairs = [pair for pair in sentence_pairs(alignment) if pair.pair_id in items]
    missing = set(items) - {pair.pair_id for pair in pairs}
    if missing:
        raise InputError(
            f"table alignment has no pair {min(missing)!r} ({len(missing)} missing in all); "
            "make it from the same candidates"
        )
    sentences = {polarity: [p.sentence(polarity) for p in pairs] for polarity in POLARITIES}
    every = [sentence for of_polarity in sentences.values() for sentence in of_polarity]
    row = {role: i for i, role in enumerate(dict.fromkeys(r for s in every for r in s.roles))}
    labels = components(tower.shape, list(row) if by_role else ())
    read_out = read_out_of(tower)
    pictures = torch.from_numpy(item_vectors(candidates, images)).to(tower.device) * logit_scale
    shares = {polarity: np.empty((len(candidates), len(labels))) for polarity in POLARITIES}
    longest = max(len(sentence.tokens) for sentence in every)
    per_pair = run_bytes(tower.shape, longest, tower.dtype.itemsize)
    per_pair += 2 * len(labels) * tower.shape.width * BYTES_PER_VALUE
    size = max(1, int(memory_gb * 2**30 / per_pair))
    bar = progress(total=len(pairs), desc="contributions", unit="pair")
    for start in range(0, len(pairs), size):
        batch = range(start, min(start + size, len(pairs)))
        for polarity in POLARITIES:
            chosen = [sentences[polarity][i] for i in batch]
            run = run_sentences(tower, [s.tokens for s in chosen])
            terms = stream_terms(tower, run, chosen, row if by_role else None)
            of_terms, of_constant = read_out.scales(terms.sum(0), tower.shape.ln_eps)
            for entry, i in enumerate(batch):
                at = items[pairs[i].pair_id]
                scored = pictures[at] @ read_out.matrix.T @ terms[:, entry].T * of_terms[entry]
                constant = pictures[at] @ read_out.constant * of_constant[entry]
                shares[polarity][at] = as_array(torch.cat([scored, constant[:, None]], dim=1))
        bar.update(len(batch))
    bar.close()
    return tidy(candidates, labels, shares)


def stream_terms(
    tower: TextTower, run: Run, sentences: Sequence[Sentence], row: Mapping[str, int] | None
) -> Float[Tensor, "terms batch width"]:
    """Everything that is added up to hidden state L at the pooled position, in float64.

    Args:
        run: forward pass of the sentences.
        row: index of each role, to split heads by the role of their source position; or None.

    Returns:
        the terms in the order of `components`, all but the constant.
    """
    at = torch.arange(len(sentences), device=tower.device)
    embedding, mlp_out = (s[:, at, run.pooled].double() for s in (run.resid[:1], run.mlp_out))
    member = None
    if row is not None:
        member = membership(sentences, dict(row), run.resid.shape[2]).to(run.z)
    terms = [embedding]
    for block in range(1, tower.shape.layers + 1):
        i = block - 1
        if member is None:
            z = run.z[i][at, run.pooled][:, None]
        else:
            z = z_by_role(tower, run, block, member)
        heads = rearrange(tower.heads_out(block, z), "head b role w -> (head role) b w")
        bias = tower.blocks[i]["out.bias"].double().expand_as(embedding)
        terms += [heads.double(), bias, mlp_out[i : i + 1]]
    return torch.cat(terms)


def z_by_role(
    tower: TextTower, run: Run, block: int, member: Float[Tensor, "batch n roles"]
) -> Float[Tensor, "batch roles width"]:
    """z at the pooled position, split by the role of the positions that it was read from."""
    batch = len(member)
    at = torch.arange(batch, device=tower.device)
    q, k, v = map(tower.split_heads, run.qkv[block - 1].chunk(3, dim=-1))
    mask = attention_mask(run.hidden, tower)
    if mask is not None:
        mask = mask.expand(batch, -1, -1)[at, run.pooled][:, None]
    weights = tower.attention_pattern(q[at, :, run.pooled][:, :, None], k, mask)[:, :, 0]
    return torch.einsum("bhn,bhnd,bnr->brhd", weights, v, member).flatten(2)


def tidy(
    candidates: pd.DataFrame, labels: pd.DataFrame, shares: Mapping[Polarity, np.ndarray]
) -> pd.DataFrame:
    """One row per item and component, from an array [items, components] for each polarity."""
    of_item = candidates.loc[candidates.index.repeat(len(labels))].reset_index(drop=True)
    of_component = pd.concat([labels] * len(candidates), ignore_index=True)
    scores = {f"s_{polarity}": shares[polarity].ravel() for polarity in POLARITIES}
    sign = np.where(of_item["negation"] == "caption", 1, -1)
    return pd.concat([of_item[["item_id", "pair_id"]], of_component], axis=1).assign(
        **scores, d=sign * (scores["s_negated"] - scores["s_affirmative"])
    )
