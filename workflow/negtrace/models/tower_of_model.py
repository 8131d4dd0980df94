"""The text tower of a loaded model: cut out as open_clip's are, or given by the model's family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image

from negtrace.errors import InputError
from negtrace.models.open_clip_tower import text_tower
from negtrace.models.openclip import LoadedModel
from negtrace.models.tower import TextTower
from negtrace.study.extensions import called


def tower_of(loaded: LoadedModel, identity: Mapping[str, Any] | None = None) -> TextTower:
    """A model's text tower, as its family gives it, or cut out as open_clip's is.

    Raises:
        InputError: it has none that `tower.py` describes, or it is no match for the image encoder.
    """
    if loaded.tower is None:
        tower = text_tower(loaded.model, pad_id=loaded.tokenizer.pad_id)
    else:
        tower = called(loaded.identity["family"], "tower()", loaded.tower, loaded.model)
        if not isinstance(tower, TextTower):
            raise InputError(
                f"{loaded.identity['family']}: tower() returns no TextTower but a "
                f"{type(tower).__name__}; correct it"
            )
    if "family" in loaded.identity:
        _check_images(loaded, tower.shape.embed_dim)
    return TextTower(tower.shape, tower.weights, identity)


def _check_images(loaded: LoadedModel, embed_dim: int) -> None:
    """An image's embedding has the width of a sentence's."""

    def encoded() -> tuple[int, ...]:
        pixels = loaded.preprocess(Image.new("RGB", (64, 48)))
        with torch.no_grad():
            return tuple(loaded.model.encode_image(pixels[None], normalize=True).shape)

    family = loaded.identity["family"]
    shape = called(family, "encode_image()", encoded)
    if shape != (1, embed_dim):
        raise InputError(
            f"{family}: encode_image() gives {list(shape)} for one image, but a sentence's "
            f"embedding has {embed_dim} values; correct it"
        )
