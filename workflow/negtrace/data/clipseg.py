"""Subject sizes as CLIPSeg sees them, for datasets without masks or boxes.

CLIPSeg turns an image and a phrase into a map of logits over the image.  Of the sigmoid of that map
(Quantmeyer et al. 2024):
    area: its mean.
    area_above: the share of its values above 0.25.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from negtrace.data.noun_phrases import subject_phrase
from negtrace.data.pictures import open_picture
from negtrace.data.subjects import NO_SUBJECT, subject_sizes
from negtrace.errors import InputError

MODEL = "CIDAS/clipseg-rd64-refined"
THRESHOLD = 0.25
# What is fetched of the model.
FILES = ("*.json", "*.txt", "*.safetensors", "*.bin")


def clipseg_areas(
    items: pd.DataFrame,
    images: Path | str,
    model: str | Path = MODEL,
    batch_size: int = 16,
    device: str = "cpu",
    progress: Callable[[Iterable[pd.DataFrame]], Iterable[pd.DataFrame]] = iter,
) -> pd.DataFrame:
    """Subject sizes from CLIPSeg's maps.

    Args:
        items: table ``candidates``; the phrase is the subject of the affirmative sentence.
        images: folder of the image files.
        model: name on the Hugging Face hub, or a folder that `save_pretrained` wrote.
        batch_size: images per forward pass; changes areas by rounding only.
        progress: wraps the list of batches.

    Returns:
        the table ``subject_sizes``, one row per item in their order; null with a reason where the
        sentence names no subject.

    Raises:
        InputError: transformers is not installed, the model cannot be loaded, or an image cannot be
            read; names it.
    """
    import torch

    processor, segmenter = _load(model)
    segmenter = segmenter.to(device)
    phrases = items["affirmative"].map(subject_phrase)
    named = items[phrases.notna()]
    areas = pd.DataFrame(index=items.index, columns=["area", "area_above"], dtype=float)
    batches = [named.iloc[i : i + batch_size] for i in range(0, len(named), batch_size)]
    with torch.inference_mode():
        for batch in progress(batches):
            inputs = processor(
                text=list(phrases[batch.index]),
                images=[open_picture(Path(images) / name) for name in batch["image_file"]],
                padding=True,
                return_tensors="pt",
            )
            maps = segmenter(**inputs.to(device)).logits.double().sigmoid().flatten(1)
            areas.loc[batch.index, "area"] = maps.mean(1).cpu().numpy()
            areas.loc[batch.index, "area_above"] = (maps > THRESHOLD).double().mean(1).cpu().numpy()
    return subject_sizes(items, "clipseg", areas["area"], areas["area_above"], NO_SUBJECT)


def _load(model: str | Path) -> tuple[Any, Any]:
    """CLIPSeg's processor, and the model; `from_pretrained` puts it into evaluation mode."""
    try:
        from transformers import CLIPSegForImageSegmentation, CLIPSegProcessor
    except ImportError as error:
        raise InputError("CLIPSeg needs transformers; run: pip install transformers") from error
    try:
        processor = CLIPSegProcessor.from_pretrained(model)
        return processor, CLIPSegForImageSegmentation.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise InputError(
            f"CLIPSeg model {model} cannot be loaded ({error}); give the name of a model of the "
            "Hugging Face hub, or a folder with one where there is no network"
        ) from error
