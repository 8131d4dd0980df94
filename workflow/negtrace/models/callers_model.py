"""A caller's model, of open_clip or transformers: used in evaluation mode, left as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from negtrace.errors import InputError
from negtrace.messages import one_line
from negtrace.models.alignment import Tokenizer
from negtrace.models.hugging_face_clip import HuggingFaceClip, is_hugging_face_clip, picture_reader
from negtrace.models.open_clip_structure import check_structure
from negtrace.models.open_clip_tokenizers import as_tokenizer
from negtrace.models.open_clip_tower import text_tower
from negtrace.models.tower import TextTower

if TYPE_CHECKING:
    from open_clip.model import CLIP

Preprocess = Callable[[Image.Image], Tensor]


class Traceable(NamedTuple):
    """A caller's model and what belongs to it."""

    model: CLIP  # or one with its methods
    text_tower: Callable[[], TextTower]
    tokenizer: Tokenizer
    preprocess: Preprocess | None


def traceable(model: Any, tokenizer: Any, preprocess: Any) -> Traceable:
    """A caller's model with its tokenizer and what makes pixels of pictures.

    Args:
        model: of open_clip, or transformers' CLIPModel or SiglipModel.
        tokenizer: the library's own for it, or transformers' processor.
        preprocess: picture to pixels, or a processor of transformers.

    Raises:
        InputError: the model's structure or the tokenizer is not one that is known.
    """
    preprocess = picture_reader(preprocess) or preprocess or picture_reader(tokenizer)
    if is_hugging_face_clip(model):
        model = HuggingFaceClip(model)
        cut = model.tokenizer(tokenizer)
        return Traceable(model, partial(model.text_tower, cut.pad_id), cut, preprocess)
    check_structure(model)
    cut = as_tokenizer(tokenizer)
    return Traceable(model, partial(text_tower, model, pad_id=cut.pad_id), cut, preprocess)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients or autocast; every module's own mode comes back."""
    modes = [(module, module.training) for module in model.modules()]
    device = next(model.parameters()).device.type
    model.eval()
    try:
        # Not inference mode: what a model caches in it would break the caller's training.
        with torch.no_grad(), torch.autocast(device, enabled=False):
            yield
    finally:
        for module, training in modes:
            module.training = training


def image_list(images: Any) -> list[Any]:
    """Images one by one: those of a list or of a batch, else the only one."""
    if isinstance(images, np.ndarray):
        images = torch.as_tensor(images)
    if isinstance(images, Tensor) and images.ndim in (2, 4):
        return list(images)
    return list(images) if isinstance(images, list | tuple) else [images]


def image_embedding(
    model: CLIP, image: Any, embed_dim: int, preprocess: Preprocess | None = None
) -> Float[np.ndarray, " embed_dim"]:
    """Unit-norm embedding of an image, float64.

    Args:
        image: pixels [3, height, width] or [1, 3, height, width], an embedding [embed_dim] or
            [1, embed_dim], or a PIL picture.
        preprocess: picture to pixels; needed for PIL pictures.

    Raises:
        InputError: it is none of these, the model cannot encode it, or its embedding is zero or
            not finite.
    """
    if isinstance(image, Image.Image):
        if preprocess is None:
            raise InputError(
                "the image is a PIL picture; give trace(..., preprocess=preprocess) too, or pass "
                "preprocess(picture)"
            )
        image = preprocess(image)
    if isinstance(image, np.ndarray):
        image = torch.as_tensor(image)
    if not isinstance(image, Tensor):
        raise InputError(
            f"the image is of type {type(image).__name__}; use preprocess(picture), an embedding, "
            "or a PIL picture with preprocess="
        )
    if not image.is_floating_point():
        raise InputError(
            f"the image is a tensor of {image.dtype}; use preprocess(picture) rather than raw bytes"
        )
    while image.ndim in (2, 4) and len(image) == 1:
        image = image[0]
    if image.ndim == 3:
        image = _encoded(model, image)
    if image.shape != (embed_dim,):
        raise InputError(
            f"the image is a tensor {list(image.shape)}; use pixels [3, height, width] or an "
            f"embedding [{embed_dim}]"
        )
    embedding: np.ndarray = image.detach().double().cpu().numpy()
    norm = np.linalg.norm(embedding)
    if not np.isfinite(norm) or norm == 0:
        what = "zero" if norm == 0 else "not finite (NaN or infinity)"
        raise InputError(f"the image's embedding is {what}; use another image or other weights")
    unit: np.ndarray = embedding / norm
    return unit


def _encoded(model: CLIP, pixels: Float[Tensor, "3 h w"]) -> Tensor:
    """The model's own embedding of pixels [embed_dim]."""
    weight = next(
        (w for w in model.visual.parameters() if w.ndim > 1), next(model.visual.parameters())
    )
    batch = pixels[None].to(weight.device, _input_dtype(model, weight))
    try:
        embedding: Tensor = model.encode_image(batch)[0]
        return embedding
    except Exception as error:
        raise InputError(
            f"the model's encode_image fails for pixels {list(pixels.shape)} ({one_line(error)}); "
            "use preprocess(picture)"
        ) from error


def _input_dtype(model: CLIP, fallback: Tensor) -> torch.dtype:
    """Precision that the image tower's first product expects of pixels."""
    products = (m for m in model.visual.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    dtypes: Iterator[torch.dtype] = (module.weight.dtype for module in products)
    return next(dtypes, fallback.dtype)


def several(values: Sequence[Any], n: int, what: str) -> list[Any]:
    """One value for each of n items; a single value is for all.

    Raises:
        InputError: another number of values.
    """
    if len(values) not in (1, n):
        raise InputError(f"{len(values)} {what} for {n} items; give one, or as many as items")
    return list(values) * (n if len(values) == 1 else 1)
