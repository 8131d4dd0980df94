"""Trace: one pair of sentences and one image, from an open_clip model to a restoration map.

import open_clip
from negtrace.trace import trace

model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32-quickgelu", "openai")
tokenizer = open_clip.get_tokenizer("ViT-B-32-quickgelu")
cells = trace(model, tokenizer, "There are no dogs.", "There are some dogs.", preprocess(picture))
cells.pivot(index=["position", "token"], columns="layer", values="restoration")
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from negtrace.alignment import align
from negtrace.errors import InputError
from negtrace.interventions import Intervention
from negtrace.openclip import as_tokenizer, text_tower
from negtrace.restoration import sweep
from negtrace.scores import scores, sentence_embeddings
from negtrace.sentences import BASE_OF

COLUMNS = ["layer", "head", "head_set", "position", "token", "role", "s_patched", "restoration"]
ONE = "pair"


@torch.inference_mode()
def trace(
    model: nn.Module,
    tokenizer: Any,
    negated: str,
    affirmative: str,
    image: Tensor,
    intervention: str | Intervention = "resid",
    direction: str = "negate",
) -> pd.DataFrame:
    """Restoration of every cell for one pair of sentences and one image.

    Args:
        model: an open_clip model whose text tower is supported; its precision and device are used.
        tokenizer: what ``open_clip.get_tokenizer`` gives for the model.
        negated, affirmative: the two sentences.
        image: preprocessed pixels [3, height, width], or an image embedding [embed_dim].
        intervention: the name of a site, or more exactly what to replace.
        direction: ``negate`` patches the negated run into the affirmative one, ``affirm`` the
            reverse.

    Returns:
        one row per cell: layer, head, head_set (where sets are patched), position, token (of the
        base sentence), role, s_patched, restoration; ``attrs`` has both sentences' scores,
        s_negated and s_affirmative.

    Raises:
        InputError: the tower, the sentences or the intervention cannot be traced.
    """
    if direction not in BASE_OF:
        raise InputError(f"direction {direction!r}: use {' or '.join(BASE_OF)}")
    cut = as_tokenizer(tokenizer)
    tower = text_tower(model, pad_id=cut.pad_id)
    if image.ndim == 3:
        image = model.encode_image(image[None].to(tower.device, tower.dtype))[0]
    embedding = F.normalize(image.double().cpu(), dim=-1).numpy()
    pair = pd.DataFrame({"pair_id": [ONE], "negated": [negated], "affirmative": [affirmative]})
    alignment = align(pair, cut, tower.shape)
    items = pair.assign(item_id=ONE, image_file=ONE, negation="caption")
    images = pd.DataFrame({"image_file": [ONE], "embedding": [embedding]})
    scale = float(model.logit_scale.exp())
    unpatched = scores(items, sentence_embeddings(tower, alignment), images, scale)
    cells = sweep(tower, alignment, items, images, unpatched, intervention, direction, scale)
    base = alignment[alignment["polarity"] == BASE_OF[direction]]
    tokens = dict(zip(base["position"], base["token"], strict=True))
    cells["token"] = [tokens.get(position) for position in cells["position"]]
    frame = cells[[name for name in COLUMNS if name in cells]]
    frame.attrs = {key: float(unpatched[key].iloc[0]) for key in ("s_negated", "s_affirmative")}
    return frame
