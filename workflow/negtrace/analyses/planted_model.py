"""Planted models: open_clip models with CLIP's vocabulary, their text weights written, not trained.

- The tokens "no" and EOT, the start token and the carrier (the token ".", or the position behind
  the determiner) are marked by directions of their own, of length strength x sqrt(width).
- Head `first` = (l1, h1): a query on the carrier attends to the "no" marker, reads it, and writes
  the flag `carried`.  Head `second` = (l2, h2) does the same from there to EOT, and writes
  `negated`.  Every other query, and all of them in an affirmative sentence, attend to the start
  token, where there is nothing to read.
- `negated` is the first coordinate of the embedding space, so that an image's score gains or loses
  by negation as that coordinate of its own embedding is positive or negative.  All other
  coordinates are content.
- All other heads and every MLP are random, and read and write in all directions: their outputs
  are about `noise` times the size of a token's embedding.  They carry content to EOT, and with it a
  little of anything else that differs between the two sentences.

All directions are orthonormal and orthogonal to (1, ..., 1), so that LayerNorm only rescales them.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from safetensors.torch import save
from torch import Tensor

from negtrace.analyses.planted import Place, Plant
from negtrace.models.roles import DETERMINER_POSITION
from negtrace.tables.store import write_bytes, write_json

# Ids of CLIP's byte-pair tokenizer.
VOCABULARY = 49408
NEGATOR, FULL_STOP, START, END = 871, 269, 49406, 49407
CONTEXT = 77
SUBJECT_POSITION = 1 + DETERMINER_POSITION + 1  # behind the start token and the determiner

MARKERS = ("negator", "carrier", "end", "start")
FLAGS = ("carried", "negated")

# Attention logits, while nothing but the embedding has entered the residual stream: of a query to
# the key it looks for, and of any query to the start token.
HIT, REST = 24.0, 8.0

DARKEST = 2.0  # black is about -2 after CLIP's normalisation of pixels, white about 2

VISION = {"image_size": 48, "patch_size": 12, "width": 32, "layers": 1, "head_width": 16}


def architecture(plant: Plant) -> dict[str, Any]:
    """The model's configuration, in open_clip's format."""
    return {
        "embed_dim": plant.width // 2,
        "quick_gelu": True,
        "vision_cfg": VISION,
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": VOCABULARY,
            "width": plant.width,
            "heads": plant.heads,
            "layers": plant.layers,
        },
    }


@torch.no_grad()
def planted_model(plant: Plant, active: bool = True) -> CLIP:
    """The open_clip model, in float32 and evaluation mode; the same plant gives the same weights.

    Its image encoder is random, and tells bright pictures from dark ones (`see_brightness`).

    Args:
        active: False leaves the two heads as random as the others, and all else as it is.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plant.seed)
        model = open_clip.CLIP(**architecture(plant)).eval().requires_grad_(False)
        directions, content = residual_directions(plant.width)
        tokens = torch.randn(VOCABULARY, content.shape[1]) @ content.T
        positions = plant.noise * torch.randn(CONTEXT, content.shape[1]) @ content.T
        for block in model.transformer.resblocks:
            fill_with_noise(block, plant)
    for token, name in ((NEGATOR, "negator"), (START, "start"), (END, "end")):
        tokens[token] += plant.flag_size * directions[name]
    if plant.carrier == "full_stop":
        tokens[FULL_STOP] += plant.flag_size * directions["carrier"]
    else:
        positions[SUBJECT_POSITION] += plant.flag_size * directions["carrier"]
    model.token_embedding.weight.copy_(tokens)
    model.positional_embedding.copy_(positions)
    read_out = torch.cat([directions["negated"][:, None], content], dim=1)
    model.text_projection.copy_(read_out[:, : plant.width // 2])
    see_brightness(model.visual)
    if active:
        plant_head(model, plant, plant.first, ("carrier", "negator", "carried"), directions)
        plant_head(model, plant, plant.second, ("end", "carried", "negated"), directions)
    return model


def residual_directions(width: int) -> tuple[dict[str, Tensor], Tensor]:
    """Random directions of markers and flags [width] each, and the rest [width, rest]: content.

    Orthonormal, and orthogonal to (1, ..., 1).
    """
    basis = torch.linalg.qr(torch.cat([torch.ones(width, 1), torch.randn(width, width - 1)], 1))[0]
    names = MARKERS + FLAGS
    return dict(zip(names, basis[:, 1:].T, strict=False)), basis[:, 1 + len(names) :]


def fill_with_noise(block: ResidualAttentionBlock, plant: Plant) -> None:
    """Random attention and MLP that write `noise` times the size of what they read; no biases."""
    attention, mlp = block.attn, block.mlp
    sizes = {
        attention.in_proj_weight: 1.0,
        attention.out_proj.weight: plant.noise * sqrt(plant.heads),
        mlp.c_fc.weight: 1.0,
        mlp.c_proj.weight: plant.noise,
    }
    for weight, size in sizes.items():
        weight.copy_(size * torch.randn(weight.shape) / sqrt(weight.shape[1]))
    for bias in (attention.in_proj_bias, attention.out_proj.bias, mlp.c_fc.bias, mlp.c_proj.bias):
        bias.zero_()


def plant_head(
    model: CLIP,
    plant: Plant,
    place: Place,
    names: tuple[str, str, str],
    directions: Mapping[str, Tensor],
) -> None:
    """Overwrite one head: tokens that have the query attend to one that has the key, and copy it.

    The head's first channel compares the query with the key and carries the value; its second lets
    every query rest on the start token.

    Args:
        place: block and head.
        names: directions of the query, of the key, and that the key is written in.
    """
    query, key, written = (directions[name] for name in names)
    block, head = place
    attention = model.transformer.resblocks[block - 1].attn
    size = plant.width // plant.heads
    first, second = (head - 1) * size, (head - 1) * size + 1
    queries, keys, values = attention.in_proj_weight.view(3, plant.width, plant.width)
    for weight in (queries, keys, values):
        weight[first : first + size] = 0
    queries[first] = HIT * sqrt(size) / plant.flag_size**2 * query
    keys[first] = values[first] = key
    attention.in_proj_bias[second] = 1
    keys[second] = REST * sqrt(size) / plant.flag_size * directions["start"]
    attention.out_proj.weight[:, first] = written


def see_brightness(visual: VisionTransformer) -> None:
    """Make a random image encoder's first coordinate positive for bright pictures, else negative.

    Without it a random encoder gives nearly the same embedding to every picture, and so the same
    sign to every effect.
    """
    projection, visual.proj = visual.proj, None
    size = VISION["image_size"]
    shades = torch.tensor([-DARKEST, DARKEST]).view(2, 1, 1, 1)
    dark, bright = visual(shades.expand(2, 3, size, size))
    visual.proj = projection
    visual.ln_post.bias -= (dark + bright) / 2
    projection[:, 0] = (bright - dark) / (bright - dark).norm()


def write_planted(plant: Plant, configuration: Path, weights: Path, active: bool = True) -> None:
    """Write the model as the pipeline loads models.

    Args:
        configuration: architecture (.json); its name is what open_clip will know it by.
        weights: checkpoint (.safetensors).
        active: as in `planted_model`.
    """
    write_json(architecture(plant), configuration)
    write_bytes(save(planted_model(plant, active).state_dict()), weights)
