"""How far another way to read a picture moves what a model sees in it.

Replications decode, resize and crop the same JPEG files by other code.  Each way is held against
negtrace's own (Pillow's decoder, open_clip's transform) on models at hand: the demo model, which is
trained, and image towers of ViT-B/32's shape with random weights.  Pictures are scenes of the demo
world at a photograph's size with a photograph's 1/f texture.  ``python benchmarks/image_noise.py``
writes docs/image_noise.csv.  Measured are

    share: standard deviation of the change of d over that of d, for a model with sentences;
    common: mean change of d over the standard deviation of the change, the larger of items with the
        negation in caption and foil: what other code does to all items alike;
    displacement: the same of embeddings, root mean square of the change over that of the distance
        from the mean embedding, for any model.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize, ToTensor
from torchvision.transforms import functional as F

import negtrace
from negtrace.data.demo_world.drawing import render
from negtrace.data.demo_world.items import Item, sample_items
from negtrace.models.openclip import LoadedModel, ModelSpec, load

OUTPUT = Path(__file__).parents[1] / "docs" / "image_noise.csv"
DEMO = Path(negtrace.__file__).parents[1] / "demo"
SIZES = ((640, 427), (640, 480), (500, 375), (500, 333), (427, 640))  # as photographs are
QUALITY = 90
PICTURES = 300
PICTURES_OF_RANDOM = 48  # of which an embedding has 512 values, d one
RANDOM_SEEDS = (0, 1)
BICUBIC = InterpolationMode.BICUBIC

# Right: another decoder or resampler of the same filter.  Other: another crop, filter or file.
RIGHT, OTHER = "right", "other"
SENTENCES = ("caption", "foil")


def jpeg(picture: Image.Image, quality: int = QUALITY) -> bytes:
    """The file of a picture, with halved chroma as photographs have."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()


def pillow(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")


def torchvision_decoder(file: bytes) -> Image.Image:
    data = torch.frombuffer(bytearray(file), dtype=torch.uint8)
    return F.to_pil_image(decode_jpeg(data, ImageReadMode.RGB))


def colours_by_pillow(file: bytes) -> Image.Image:
    """Decoded to YCbCr; the colours are Pillow's conversion instead of the decoder's."""
    picture = Image.open(io.BytesIO(file))
    picture.draft("YCbCr", picture.size)
    return picture.convert("RGB")


def scaled_by_decoder(file: bytes) -> Image.Image:
    """Half the size by the decoder's own cosine transform, as thumbnail code reads files."""
    picture = Image.open(io.BytesIO(file))
    picture.draft("RGB", (picture.width // 2, picture.height // 2))
    return picture.convert("RGB")


def reencoded(file: bytes, quality: int) -> Image.Image:
    return pillow(jpeg(pillow(file), quality))


def pixels(size: int, mode: InterpolationMode = BICUBIC) -> Compose:
    """open_clip's transform of pictures before its normalisation."""
    return Compose([Resize(size, mode), CenterCrop(size), ToTensor()])


def on_tensors(picture: Image.Image, size: int, antialias: bool, rounded: bool) -> Tensor:
    """Resized as a tensor, of whole numbers or not."""
    values = F.pil_to_tensor(picture)
    values = values if rounded else values / 255
    resized = F.center_crop(F.resize(values, size, BICUBIC, antialias=antialias), [size, size])
    return resized / 255 if rounded else resized.clamp(0, 1)


def crop_rounded_down(picture: Image.Image, size: int) -> Tensor:
    """Odd margins give their pixel to the right and below, as in transformers."""
    resized = F.resize(picture, size, BICUBIC)
    top, left = (resized.height - size) // 2, (resized.width - size) // 2
    return F.to_tensor(F.crop(resized, top, left, size, size))


Way = Callable[[bytes, int], Tensor]


def decoded(decoder: Callable[[bytes], Image.Image], file: bytes, size: int) -> Tensor:
    return pixels(size)(decoder(file))


def transformed(transform: Callable[..., Tensor], file: bytes, size: int, **options) -> Tensor:
    return transform(pillow(file), size, **options)


def filtered(mode: InterpolationMode, file: bytes, size: int) -> Tensor:
    return pixels(size, mode)(pillow(file))


OWN: Way = partial(decoded, pillow)
WAYS: dict[tuple[str, str], Way] = {
    (RIGHT, "torchvision's decoder"): partial(decoded, torchvision_decoder),
    (RIGHT, "colours converted by Pillow"): partial(decoded, colours_by_pillow),
    (RIGHT, "resized as whole-number tensor"): partial(
        transformed, on_tensors, antialias=True, rounded=True
    ),
    (RIGHT, "resized as float tensor"): partial(
        transformed, on_tensors, antialias=True, rounded=False
    ),
    (OTHER, "crop of odd margins rounded down"): partial(transformed, crop_rounded_down),
    (OTHER, "halved by the decoder"): partial(decoded, scaled_by_decoder),
    (OTHER, "without antialiasing"): partial(
        transformed, on_tensors, antialias=False, rounded=False
    ),
    (OTHER, "bilinear"): partial(filtered, InterpolationMode.BILINEAR),
    (OTHER, "Lanczos"): partial(filtered, InterpolationMode.LANCZOS),
    **{
        (OTHER, f"encoded again, quality {quality}"): partial(
            decoded, partial(reencoded, quality=quality)
        )
        for quality in (95, 85, 75)
    },
}


def textured(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A picture at a photograph's size, with the 1/f texture that photographs have."""
    width, height = SIZES[rng.integers(len(SIZES))]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    waves = rng.normal(size=(2, 3, *frequency.shape))
    texture = np.fft.irfft2((waves[0] + 1j * waves[1]) / frequency, s=(height, width))
    texture *= 24 / texture.std()
    large = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC), float)
    values = np.clip(large + np.moveaxis(texture, 0, -1), 0, 255)
    return Image.fromarray(values.astype(np.uint8))


def embeddings(loaded: LoadedModel, way: Way, files: list[bytes]) -> np.ndarray:
    """Unit-norm image embeddings [pictures, width]."""
    normalise = loaded.preprocess.transforms[-1]
    size = loaded.model.visual.image_size[0]
    batch = torch.stack([normalise(way(file, size)) for file in files])
    with torch.inference_mode():
        parts = [loaded.model.encode_image(part, normalize=True) for part in batch.split(32)]
    return torch.cat(parts).numpy()


def sentence_differences(loaded: LoadedModel, items: list[Item]) -> np.ndarray:
    """Embedding of the caption minus that of the foil [items, width], in logits per unit."""
    tokens = [open_clip.tokenize([getattr(item, name) for item in items]) for name in SENTENCES]
    with torch.inference_mode():
        caption, foil = (loaded.model.encode_text(t, normalize=True) for t in tokens)
        return (loaded.model.logit_scale.exp() * (caption - foil)).numpy()


def models() -> Iterator[tuple[str, LoadedModel, bool]]:
    """(name, model, whether it was trained)."""
    files = (str(DEMO / f"negtrace-demo.{ending}") for ending in ("json", "safetensors"))
    yield "demo model", load(ModelSpec(*files)), True
    for seed in RANDOM_SEEDS:
        spec = ModelSpec("ViT-B-32-quickgelu", seed=seed)
        yield f"random ViT-B/32, seed {seed}", load(spec), False


def measure(count: int = PICTURES, seed: int = 0) -> pd.DataFrame:
    """The noise of every way and model.

    Returns:
        model, kind (right, other), way, displacement, share, common (see module; the last two null
        for models without training, whose sentences mean nothing).
    """
    rng = np.random.default_rng(seed)
    items = list(sample_items(count, seed))
    every = [jpeg(textured(render(item.scene, 512), rng)) for item in items]
    rows = []
    for name, loaded, trained in models():
        files = every if trained else every[:PICTURES_OF_RANDOM]
        own = embeddings(loaded, OWN, files)
        spread = np.square(own - own.mean(axis=0)).sum(axis=1).mean()
        for (kind, way), read in WAYS.items():
            change = embeddings(loaded, read, files) - own
            row = {"model": name, "kind": kind, "way": way}
            row["displacement"] = np.sqrt(np.square(change).sum(axis=1).mean() / spread)
            rows.append(row | (noise_of_d(loaded, items, own, change) if trained else {}))
    return pd.DataFrame(rows)


def noise_of_d(
    loaded: LoadedModel, items: list[Item], own: np.ndarray, change: np.ndarray
) -> dict[str, float]:
    """`share` and `common` of a change of image embeddings [items, width]."""
    differences = sentence_differences(loaded, items)
    moved, d = ((differences * e).sum(axis=1) for e in (change, own))
    present = np.array([item.scene.shows(item.subject) for item in items])
    common = max(abs(moved[part].mean()) for part in (present, ~present))
    spread = moved.std()
    return {"share": spread / d.std(), "common": common / spread if spread else 0.0}


if __name__ == "__main__":
    measure().round(4).to_csv(OUTPUT, index=False)
