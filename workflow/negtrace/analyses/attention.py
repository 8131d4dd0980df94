"""Attention to the negator, and how selective each head is for it.

For a query position q after the negator, A_negated(q -> negator) is compared with
A_affirmative(q' -> the negator's counterpart), q' being the counterpart of q.  Selectivity of a
head: the largest difference over all q after the negator (Quantmeyer et al. 2024, section 5).

A negator of several tokens gets the sum of what each of them gets; the affirmative sentence has its
counterpart if it has one for each.  Where a pair has no negator, because its contrast is another,
the tokens in which the source sentence differs are looked at in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from negtrace.models.alignment import looked_at
from negtrace.models.tower import TextTower
from negtrace.patching.forward_passes import attention_mask, run_bytes, run_sentences
from negtrace.patching.sentences import Sentence, SentencePair, sentence_pairs


@torch.inference_mode()
def negator_attention(
    tower: TextTower, alignment: pd.DataFrame, memory_gb: float = 1.0
) -> pd.DataFrame:
    """Attention to the negator, and to its counterpart, from every query position.

    Returns:
        the table ``attention``: one row per pair, block, head and position of the negated
        sentence; `a_affirmative` is null where the query or the negator has no counterpart, both
        are where there is nothing to look at: a source that only lacks words of its base.
    """
    pairs = sentence_pairs(alignment)
    negators = looked_at(alignment)
    longest = max(len(s.tokens) for p in pairs for s in (p.negated, p.affirmative))
    size = max(1, int(memory_gb * 2**30 / 2 / (2 * run_bytes(tower.shape, longest, 4))))
    parts = [
        _attention_of_batch(tower, pairs[i : i + size], negators)
        for i in range(0, len(pairs), size)
    ]
    return pd.concat(parts, ignore_index=True)


def selectivity(attention: pd.DataFrame) -> pd.DataFrame:
    """Largest attention difference over the query positions after the negator.

    Returns:
        the table ``selectivity``: one row per pair, block and head; null where no query position
        has a counterpart.
    """
    later = attention[attention["after_negator"]]
    difference = later["a_negated"] - later["a_affirmative"]
    keys = ["pair_id", "layer", "head"]
    return (
        later[keys].assign(selectivity=difference).groupby(keys, sort=False, observed=True).max()
    ).reset_index()


def _attention_of_batch(
    tower: TextTower, pairs: list[SentencePair], negator_of: Mapping[str, Sequence[int]]
) -> pd.DataFrame:
    negators = [negator_of[pair.pair_id] for pair in pairs]
    same = [
        _all_or_none([pair.negated.counterparts[at] for at in negator])
        for pair, negator in zip(pairs, negators, strict=True)
    ]
    to_negator = _attention_to(tower, [pair.negated for pair in pairs], negators)
    to_same = _attention_to(tower, [pair.affirmative for pair in pairs], same)
    parts = []
    layers, heads = tower.shape.layers, tower.shape.heads
    for i, pair in enumerate(pairs):
        n = len(pair.negated.tokens)
        counterparts = np.asarray(pair.negated.counterparts)
        a_affirmative = to_same[:, i][..., counterparts]  # [layers, heads, n]
        a_affirmative[..., counterparts < 0] = np.nan
        layer, head, query = np.indices((layers, heads, n)).reshape(3, -1)
        parts.append(
            {
                "pair_id": np.full(layers * heads * n, pair.pair_id, dtype=object),
                "layer": layer + 1,
                "head": head + 1,
                "query_position": query,
                "role": np.asarray(pair.negated.roles, dtype=object)[query],
                "after_negator": query > max(negators[i], default=-1),
                "a_negated": to_negator[:, i, :, :n].reshape(-1),
                "a_affirmative": a_affirmative.reshape(-1),
            }
        )
    return pd.DataFrame({key: np.concatenate([part[key] for part in parts]) for key in parts[0]})


def _all_or_none(counterparts: Sequence[int]) -> Sequence[int]:
    return counterparts if min(counterparts, default=-1) >= 0 else ()


def _attention_to(
    tower: TextTower, sentences: list[Sentence], keys: Sequence[Sequence[int]]
) -> np.ndarray:
    """A(q -> keys), summed over the keys, for every query [layers, batch, heads, n].

    Null for a sentence without keys.
    """
    n = max(len(sentence.tokens) for sentence in sentences)
    wanted = torch.zeros(len(sentences), n, device=tower.device)
    for row, places in enumerate(keys):
        wanted[row, list(places)] = 1
    wanted[[row for row, places in enumerate(keys) if not places]] = torch.nan
    attention = [
        torch.einsum("bhqk,bk->bhq", pattern, wanted.to(pattern.dtype))
        for pattern in patterns(tower, sentences)
    ]
    return torch.stack(attention).float().cpu().numpy()


def patterns(
    tower: TextTower, sentences: Sequence[Sentence]
) -> Iterator[Float[Tensor, "batch heads queries keys"]]:
    """Attention weights of every block in turn; rows behind a sentence's end mean nothing."""
    run = run_sentences(tower, [sentence.tokens for sentence in sentences])
    mask = attention_mask(run.hidden, tower)
    for qkv in run.qkv:
        q, k, _ = map(tower.split_heads, qkv.chunk(3, dim=-1))
        yield tower.attention_pattern(q, k, mask)
