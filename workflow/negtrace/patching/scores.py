"""Scores: S(sentence, image) and d of every item, from unpatched sentence and image embeddings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64

from negtrace.models.tower import TextTower
from negtrace.patching.forward_passes import as_array, run_bytes, run_sentences
from negtrace.patching.sentences import sentence_pairs


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


def item_vectors(
    candidates: pd.DataFrame, images: pd.DataFrame
) -> Float64[np.ndarray, "items embed_dim"]:
    """Image embedding of every item."""
    by_file = images.set_index("image_file")["embedding"]
    return np.stack(list(by_file.loc[candidates["image_file"]])).astype(np.float64)
