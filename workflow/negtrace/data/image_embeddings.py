"""Embeddings of image files by an open_clip model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from negtrace.data.pictures import open_picture
from negtrace.errors import InputError
from negtrace.models.openclip import LoadedModel


def encode_images(
    loaded: LoadedModel,
    files: Sequence[Path],
    batch_size: int = 64,
    device: str = "cpu",
    progress: Callable[[Iterable[Sequence[Path]]], Iterable[Sequence[Path]]] = iter,
) -> np.ndarray:
    """Unit-norm image embeddings, float32 [n, embed_dim], in the order of `files`.

    Raises:
        InputError: a file is missing or is not a readable image, or its embedding is zero or not
            finite; names the file.
    """
    model = loaded.model.to(device)
    batches = [files[i : i + batch_size] for i in range(0, len(files), batch_size)]
    embeddings = []
    with ThreadPoolExecutor() as pool, torch.inference_mode():
        for batch in progress(batches):
            pixels = torch.stack(list(pool.map(lambda f: _pixels(f, loaded.preprocess), batch)))
            features = model.encode_image(pixels.to(device), normalize=True)
            embeddings.append(features.float().cpu().numpy())
            check_embeddings(embeddings[-1], batch)
    return np.concatenate(embeddings)


def check_embeddings(embeddings: np.ndarray, files: Sequence[Path]) -> None:
    """Look for embeddings that give no cosine.

    Args:
        embeddings: unit-norm [files, embed_dim].

    Raises:
        InputError: one is zero or not finite; names its file.
    """
    for file, norm in zip(files, np.linalg.norm(embeddings, axis=1), strict=True):
        if not 0.5 < norm < 2:  # neither NaN nor infinity lies between
            what = "zero" if norm == 0 else "not finite"
            raise InputError(
                f"{file}: the model's embedding of this image is {what}; use other weights, or "
                "remove the image's items"
            )


def _pixels(file: Path, preprocess: Callable[[Image.Image], Tensor]) -> Tensor:
    return preprocess(open_picture(file))
