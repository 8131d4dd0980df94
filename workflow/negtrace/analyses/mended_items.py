"""Mended items: what a text tower makes of half of a study's items, its retrieval included."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from negtrace.models.tower import TextTower
from negtrace.patching.scores import item_vectors, pictured, scores, sentence_embeddings
from negtrace.patching.sentences import sentence_pairs

MEASURED = [
    *("item_id", "pair_id", "cluster_id", "negation", "s_negated", "s_affirmative", "d"),
    *("d_affirmative", "caption_rank", "image_rank"),
]


class Half:
    """Items whose scores are taken anew from every edited tower.

    Args:
        tower: the tower before any edit.
        tables: alignment, candidates and images.
        items: item_id, pair_id and cluster_id.
        seed: of the other sentence of affirmative items.
    """

    def __init__(
        self,
        tower: TextTower,
        tables: Mapping[str, pd.DataFrame],
        items: pd.DataFrame,
        seed: int,
        memory_gb: float,
    ) -> None:
        alignment = tables["alignment"]
        inside = alignment["pair_id"].astype(str).isin(set(items["pair_id"].astype(str)))
        candidates = pictured(tables["candidates"], tables["images"])
        clusters = items.astype({"item_id": object}).set_index("item_id")["cluster_id"]
        kept = candidates[candidates["item_id"].isin(items["item_id"])].reset_index(drop=True)
        self.alignment = alignment[inside]
        self.pairs = sentence_pairs(self.alignment)
        self.candidates = kept.assign(
            cluster_id=clusters.loc[kept["item_id"].astype(object)].to_numpy()
        )
        self.images = tables["images"]
        self.vectors = item_vectors(kept, self.images)
        self.other = other_affirmatives(kept, seed)
        self.logit_scale = tower.identity["logit_scale"]
        self.memory_gb = memory_gb

    def scores(self, tower: TextTower) -> pd.DataFrame:
        """The table ``scores`` of the items."""
        return self._scores(sentence_embeddings(tower, self.alignment, self.memory_gb))

    def _scores(self, embeddings: pd.DataFrame) -> pd.DataFrame:
        return scores(self.candidates, embeddings, self.images, self.logit_scale)

    def measured(self, tower: TextTower) -> pd.DataFrame:
        """What a tower makes of the items.

        Returns:
            `MEASURED`, a row per item: d_affirmative is S(true affirmative sentence) minus S(that
            of another item), for items with the negation in the foil; the ranks, from 1, are those
            of the first caption that is true of the item's image, and of the first image that its
            caption is true of, among those of the half.
        """
        embeddings = sentence_embeddings(tower, self.alignment, self.memory_gb)
        found = self._scores(embeddings)
        by = embeddings.set_index(["pair_id", "polarity"])["embedding"]

        def sentences(pairs: pd.Series, polarity: np.ndarray | str) -> np.ndarray:
            index = pd.MultiIndex.from_arrays([pairs, np.broadcast_to(polarity, len(pairs))])
            return np.stack(list(by.loc[index])).astype(float)

        pair_ids = self.candidates["pair_id"].astype(str)
        of_others = sentences(pair_ids.iloc[np.maximum(self.other, 0)], "affirmative")
        s_other = self.logit_scale * np.einsum("ie,ie->i", of_others, self.vectors)
        in_caption = (self.candidates["negation"] == "caption").to_numpy()
        captions = sentences(pair_ids, np.where(in_caption, "negated", "affirmative"))
        caption_rank, image_rank = retrieval_ranks(
            captions, self.vectors, self.candidates["caption"], self.candidates["image_file"]
        )
        return found.assign(
            cluster_id=self.candidates["cluster_id"],
            d_affirmative=np.where(self.other < 0, np.nan, found["s_affirmative"] - s_other),
            caption_rank=caption_rank,
            image_rank=image_rank,
        )[MEASURED]


def other_affirmatives(candidates: pd.DataFrame, seed: int) -> np.ndarray:
    """For every item whose true sentence is affirmative, the row of another such item.

    Its sentence is another one, and not known to be true of the first item's image.

    Returns:
        rows of `candidates`; -1 for items that have none.
    """
    rng = np.random.default_rng(seed)
    true = candidates[candidates["negation"] == "foil"]
    of_image = true.groupby("image_file", observed=True)["affirmative"].agg(set)
    sentences, images = true["affirmative"].to_numpy(object), true["image_file"].to_numpy(object)
    other = np.full(len(candidates), -1)
    for row, image in zip(true.index, images, strict=True):
        known = of_image[image]
        eligible = np.flatnonzero([sentence not in known for sentence in sentences])
        if len(eligible):
            other[row] = true.index[rng.choice(eligible)]
    return other


def retrieval_ranks(
    caption_vectors: np.ndarray, image_vectors: np.ndarray, captions: pd.Series, images: pd.Series
) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of true captions of images, and of images of captions, among distinct ones.

    Args:
        caption_vectors, image_vectors: embeddings of every item's [items, embed_dim].
        captions, images: what they are of; equal ones are one, and any item makes them a match.

    Returns:
        for every item the rank, from 1, of the first match of its image among all captions, and of
        the first match of its caption among all images.
    """
    caption, texts = pd.factorize(captions)
    image, files = pd.factorize(images)
    first = [np.unique(codes, return_index=True)[1] for codes in (caption, image)]
    cosine = caption_vectors[first[0]] @ image_vectors[first[1]].T
    match = np.zeros((len(texts), len(files)), dtype=bool)
    match[caption, image] = True
    matching = np.where(match, cosine, -np.inf)
    above_images = (cosine > matching.max(0)).sum(0)
    above_captions = (cosine > matching.max(1)[:, None]).sum(1)
    return 1 + above_images[image], 1 + above_captions[caption]
