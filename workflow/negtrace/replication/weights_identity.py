"""Identity: whether a model's weights give the outputs that others have published of them.

A ledger of published results means little if the weights behind a familiar name are other ones.
The published outputs (``workflow/published/clip_vitb32.json``) come from other implementations.
Ours are computed as the pipeline computes them, with its tokenizer, its own forward pass through
the text tower and its image encoder, so that an error in any of these shows as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from negtrace.data.image_embeddings import encode_images
from negtrace.errors import InputError
from negtrace.models.openclip import LoadedModel
from negtrace.models.tower import TextTower
from negtrace.models.tower_of_model import tower_of
from negtrace.patching.forward_passes import run_sentences
from negtrace.replication.ledger import DIFFERS, MATCHES, NOT_CHECKED

Check = Mapping[str, Any]
Labelled = Iterator[tuple[str, float]]  # (quantity, our value), in the order of published values


def read_golden(path: Path | str) -> dict[str, Any]:
    """Read a file of published outputs.

    Raises:
        InputError: the file cannot be read, or a check is of an unknown kind.
    """
    try:
        golden: dict[str, Any] = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: no readable file of published outputs ({error}); restore it"
        ) from error
    for check in golden["checks"]:
        if check["kind"] not in KINDS:
            raise InputError(
                f"{path}: check {check['check']!r} is of kind {check['kind']!r}; "
                f"choose one of {', '.join(KINDS)}"
            )
    return golden


@torch.inference_mode()
def identity_check(
    loaded: LoadedModel, golden: Mapping[str, Any], pictures: Mapping[str, Path]
) -> pd.DataFrame:
    """Compare a model's outputs with published ones.

    Args:
        loaded: a model of the architecture that the outputs are of.
        golden: published outputs (see `read_golden`).
        pictures: picture files by the key that `golden` gives them; any may be absent.

    Returns:
        one row per published value: check, quantity, published, ours, deviation (ours -
        published), tolerance, verdict (matches, differs, not checked), reason (why it was not
        checked; null otherwise).  Ours and deviation are null where there is nothing to compare.

    Raises:
        InputError: a picture file cannot be read.
    """
    tower = tower_of(loaded)
    rows = []
    for check in golden["checks"]:
        tolerance = golden["tolerances"][check["tolerance"]]["value"]
        published = np.ravel(check["values"])
        picture = pictures.get(check.get("picture"))
        absent = "picture" in check and picture is None
        ours = [] if absent else KINDS[check["kind"]](loaded, tower, check, picture)
        # A sentence may have fewer or more tokens than published: what is left over differs.
        for place, (found, value) in enumerate(zip_longest(ours, published), start=1):
            quantity, our_value = found or (f"value {place}", np.nan)
            expected = np.nan if value is None else float(value)
            matches = abs(our_value - expected) <= tolerance
            rows.append(
                {
                    "check": check["check"],
                    "quantity": quantity,
                    "published": expected,
                    "ours": our_value,
                    "deviation": our_value - expected,
                    "tolerance": float(tolerance),
                    "verdict": NOT_CHECKED if absent else MATCHES if matches else DIFFERS,
                    "reason": f"the picture {check['picture_name']} is not at hand"
                    if absent
                    else None,
                }
            )
    return pd.DataFrame(rows)


def _token_ids(
    loaded: LoadedModel, tower: TextTower, check: Check, picture: Path | None
) -> Labelled:
    for text in check["texts"]:
        for position, token in enumerate(loaded.tokenizer.encode(text)):
            yield f"token id at position {position} of {text!r}", float(token)


def _hidden_states(
    loaded: LoadedModel, tower: TextTower, check: Check, picture: Path | None
) -> Labelled:
    states = _final_states(tower, check["input_ids"])
    for position in check["positions"]:
        for dimension in check["dimensions"]:
            quantity = f"dimension {dimension} at position {position} after the last LayerNorm"
            yield quantity, states[position, dimension].item()


def _text_features(
    loaded: LoadedModel, tower: TextTower, check: Check, picture: Path | None
) -> Labelled:
    for text in check["texts"]:
        features = _features(tower, loaded.tokenizer.encode(text))
        for dimension in check["dimensions"]:
            yield f"entry {dimension} of {text!r}", features[dimension].item()


def _text_sums(
    loaded: LoadedModel, tower: TextTower, check: Check, picture: Path | None
) -> Labelled:
    for text in check["texts"]:
        features = _features(tower, loaded.tokenizer.encode(text))
        yield f"sum of all entries of {text!r}", features.sum().item()


def _logits(loaded: LoadedModel, tower: TextTower, check: Check, picture: Path | None) -> Labelled:
    logits = _scores(loaded, tower, check["texts"], picture)
    for text, logit in zip(check["texts"], logits, strict=True):
        yield f"logit of {text!r}", float(logit)


def _probabilities(
    loaded: LoadedModel, tower: TextTower, check: Check, picture: Path | None
) -> Labelled:
    logits = _scores(loaded, tower, check["texts"], picture)
    for text, probability in zip(check["texts"], torch.tensor(logits).softmax(0), strict=True):
        yield f"probability of {text!r}", probability.item()


KINDS: dict[str, Callable[[LoadedModel, TextTower, Check, Path | None], Labelled]] = {
    "token_ids": _token_ids,
    "hidden_states": _hidden_states,
    "text_features": _text_features,
    "text_sums": _text_sums,
    "logits": _logits,
    "probabilities": _probabilities,
}


def _final_states(tower: TextTower, tokens: Sequence[int]) -> Float[Tensor, "n width"]:
    """Hidden state L after the final LayerNorm, at every position."""
    run = run_sentences(tower, [tower.shape.complete(tokens)])
    weight, bias = tower.weights["ln_final.weight"], tower.weights["ln_final.bias"]
    return F.layer_norm(run.resid[-1, 0], (tower.shape.width,), weight, bias, tower.shape.ln_eps)


def _features(tower: TextTower, tokens: Sequence[int]) -> Float[Tensor, " embed_dim"]:
    """The sentence embedding before its norm is taken: EOT's final state, projected."""
    return _final_states(tower, tokens)[-1] @ tower.weights["projection"]


def _scores(
    loaded: LoadedModel, tower: TextTower, texts: Sequence[str], picture: Path | None
) -> np.ndarray:
    """Logit scale x cosine of a picture and every text, float64 [texts]."""
    sentences = [tower.shape.complete(loaded.tokenizer.encode(text)) for text in texts]
    embeddings: np.ndarray = run_sentences(tower, sentences).embedding.double().numpy()
    scale = loaded.model.logit_scale.exp().item()
    if picture is None:
        raise InputError("published scores: a check of scores names no picture; add it")
    of_picture = encode_images(loaded, [picture])[0].astype(float)
    logits: np.ndarray = scale * embeddings @ of_picture
    return logits
