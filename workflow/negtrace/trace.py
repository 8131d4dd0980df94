"""Trace: pairs of sentences and images, from a model to restoration maps.

import open_clip
from negtrace.trace import trace

model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32-quickgelu", "openai")
tokenizer = open_clip.get_tokenizer("ViT-B-32-quickgelu")
cells = trace(model, tokenizer, "There are no dogs.", "There are some dogs.", preprocess(picture))
cells.pivot(index=["position", "token"], columns="layer", values="restoration")
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from torch import nn

from negtrace.errors import InputError
from negtrace.messages import one_line
from negtrace.models.alignment import align
from negtrace.models.callers_model import (
    Preprocess,
    evaluating,
    image_embedding,
    image_list,
    several,
    traceable,
)
from negtrace.patching.intervention_checks import check_choice, check_roles
from negtrace.patching.interventions import Intervention
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import scores, sentence_embeddings
from negtrace.patching.self_check import check_finite, check_tower, logit_scale
from negtrace.progress import bar, silent
from negtrace.vocabulary import BASE_OF

COLUMNS = ["layer", "head", "head_set", "position", "token", "role", "s_patched", "restoration"]


def trace(
    model: nn.Module,
    tokenizer: Any,
    negated: str | Sequence[str],
    affirmative: str | Sequence[str],
    image: Any,
    intervention: str | Intervention = "resid",
    direction: str = "negate",
    *,
    preprocess: Preprocess | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Restoration of every cell for a pair of sentences and an image, or for several of them.

    The model computes in evaluation mode and is left as it was.  Its text tower is first compared
    with its own `encode_text` (transformers' `get_text_features`) on these sentences.

    Args:
        model: an open_clip model whose text tower is supported, or transformers' CLIPModel or
            SiglipModel; its device is used, and the highest precision among the text tower's
            weights.
        tokenizer: what ``open_clip.get_tokenizer`` gives for the model; of transformers the
            processor, or the tokenizer alone.
        negated, affirmative: the two sentences; or lists, one entry for each item.
        image: preprocessed pixels [3, height, width] or [1, 3, height, width], an image embedding
            [embed_dim] or [1, embed_dim], or a PIL picture; or a list or batch of these.  Where
            sentences or image are single and the others several, the single one is for all.
        intervention: the name of a site, or more exactly what to replace.  With ``donor="mean"``
            an activation is replaced by its mean over the sentences given here.
        direction: ``negate`` patches the negated run into the affirmative one, ``affirm`` the
            reverse.
        preprocess: picture to pixels; needed for PIL pictures, unless there is a processor.
        progress: whether to show a bar while several items are traced.

    Returns:
        one row per cell: item (where lists are given; their index), layer, head, head_set (where
        sets are patched), position, token (of the base sentence), role, s_patched, restoration;
        ``attrs`` has both sentences' scores, s_negated and s_affirmative (lists for lists).

    Raises:
        InputError: the tower, the sentences, the image or the intervention cannot be traced.
    """
    check_choice("direction", direction, BASE_OF)
    if not isinstance(intervention, Intervention):
        intervention = Intervention(intervention)
    texts = _sentences("negated", negated), _sentences("affirmative", affirmative)
    model, text_tower, cut, preprocess = traceable(model, tokenizer, preprocess)
    with evaluating(model):
        check_finite(model)
        scale = logit_scale(model)
        tower = text_tower()
        images = [
            image_embedding(model, one, tower.shape.embed_dim, preprocess)
            for one in image_list(image)
        ]
        n = max(*map(len, texts), len(images))
        items, vectors = _items(*texts, images, n)
        pairs = items.drop_duplicates("pair_id")
        alignment = align(pairs, cut, tower.shape)
        check_tower(model, tower, cut, [*{*pairs["negated"], *pairs["affirmative"]}])
        check_roles(alignment, intervention.at, direction, each=True)
        unpatched = scores(items, sentence_embeddings(tower, alignment), vectors, scale)
        cells = sweep(
            tower,
            alignment,
            items,
            vectors,
            unpatched,
            intervention,
            direction,
            scale,
            progress=bar if progress and n > 1 else silent,
        )
    base = alignment[alignment["polarity"] == BASE_OF[direction]]
    tokens = {
        (p, i): t for p, i, t in base[["pair_id", "position", "token"]].itertuples(index=False)
    }
    cells["token"] = [
        tokens.get(at) for at in zip(cells["pair_id"], cells["position"], strict=True)
    ]
    single = isinstance(negated, str) and isinstance(affirmative, str) and n == 1
    if not single:
        cells["item"] = cells["item_id"].astype(int)
    frame = cells[[name for name in ("item", *COLUMNS) if name in cells]]
    both: dict[Any, Any] = {key: unpatched[key].tolist() for key in ("s_negated", "s_affirmative")}
    frame.attrs = {key: values[0] for key, values in both.items()} if single else both
    return frame


def _sentences(name: str, given: object) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list | tuple | pd.Series) or not len(texts):
        raise InputError(f"{name} is {one_line(repr(given))}; give a sentence or a list of them")
    for number, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            place = "" if isinstance(given, str) else f"[{number}]"
            raise InputError(f"{name}{place} is {one_line(repr(text))}; give a sentence")
    return list(texts)


def _items(
    negated: list[str], affirmative: list[str], images: list[Any], n: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of n items and of their images' embeddings."""
    if not images:
        raise InputError("there is no image; give one, or as many as there are items")
    items = pd.DataFrame(
        {
            "item_id": [str(i) for i in range(n)],
            "negated": several(negated, n, "negated sentences"),
            "affirmative": several(affirmative, n, "affirmative sentences"),
            "image_file": several([str(i) for i in range(len(images))], n, "images"),
            "negation": "caption",
        }
    )
    items["pair_id"] = items.groupby(["negated", "affirmative"])["item_id"].transform("first")
    names = [str(i) for i in range(len(images))]
    return items, pd.DataFrame({"image_file": names, "embedding": images})
