"""Families: how the model of an entry is loaded, by open_clip or by code of a user's own.

A family is a Python file, or an entry point of a package, with a function
``load(spec: ModelSpec) -> LoadedModel``; `docs/extending.md` has an example.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from negtrace.errors import InputError
from negtrace.models import openclip
from negtrace.models.alignment import Tokenizer
from negtrace.models.model_specs import RANDOM, ModelSpec
from negtrace.models.openclip import LoadedModel, state_hash
from negtrace.models.weights import Weights
from negtrace.study.extensions import MODELS, called, function, is_code
from negtrace.tables.store import sha256


def load(entry: Mapping[str, Any], weights: Weights) -> LoadedModel:
    """The model of an entry of the configuration, in evaluation mode.

    Raises:
        InputError: it cannot be loaded, or its family returns no model that can be traced.
    """
    spec = ModelSpec(**entry)
    if spec.family is None:
        return openclip.load(spec, weights.checkpoint, weights.tokenizer)
    loaded = called(spec.family, "load()", function(MODELS, spec.family, "load"), spec)
    if fault := _fault(loaded):
        raise InputError(f"{spec.family}: load() returns {fault}; correct it")
    loaded.model.eval().requires_grad_(False)
    identity = {
        **loaded.identity,
        "architecture": spec.architecture,
        "weights": spec.weights or Path(spec.family).name,
        "seed": spec.seed if spec.weights == RANDOM else None,
        "random": spec.weights == RANDOM,
        "weights_sha256": state_hash(loaded.model),
        "logit_scale": float(loaded.model.logit_scale.detach().exp()),
        "family": spec.family,
        "family_version": sha256(Path(spec.family)) if is_code(spec.family) else spec.installed,
    }
    return LoadedModel(loaded.model, loaded.preprocess, loaded.tokenizer, identity, loaded.tower)


def _fault(loaded: Any) -> str | None:
    """What a family's model lacks, or None."""
    if not isinstance(loaded, LoadedModel):
        return f"no LoadedModel but a {type(loaded).__name__}"
    if not isinstance(loaded.model, nn.Module):
        return "a model that is no torch module"
    for name in ("encode_text", "encode_image"):
        if not callable(getattr(loaded.model, name, None)):
            return f"a model without {name}(batch, normalize=True)"
    scale = getattr(loaded.model, "logit_scale", None)
    if not isinstance(scale, torch.Tensor) or scale.numel() != 1:
        return "a model without logit_scale, a tensor of one number (the logarithm)"
    if not isinstance(loaded.tokenizer, Tokenizer) or not callable(loaded.tokenizer.own):
        return "no Tokenizer with `own`, which gives padded ids [sentence, context]"
    try:
        json.dumps(loaded.identity)
    except (TypeError, ValueError):
        return "an identity that JSON cannot hold"
    return None
