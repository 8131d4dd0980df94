"""Planted circuits: CLIP models that process negation where we say.  Does negtrace find it?

The positive control of the method.  A planted model is an open_clip model with CLIP's vocabulary
whose text weights are written, not trained.  Two heads move one flag through the sentence::

    "no"  --head `first`-->  carrier  --head `second`-->  EOT

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
A patch should then restore all of the effect where the flag is, and nothing elsewhere (`expected`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any, Literal

import open_clip
import pandas as pd
import torch
from open_clip.model import CLIP
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from safetensors.torch import save
from torch import Tensor

from negtrace.errors import InputError
from negtrace.models.alignment import DETERMINER_POSITION
from negtrace.tables.store import write_bytes, write_json
from negtrace.vocabulary import ALL, THERE_ROLES

Carrier = Literal["subject_first", "full_stop"]
Place = tuple[int, int]  # block and head, both numbered from 1

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

# Smallest restoration, by the lower limit of its interval, that counts as found.
LEAST = 0.1

DARKEST = 2.0  # black is about -2 after CLIP's normalisation of pixels, white about 2

VISION = {"image_size": 48, "patch_size": 12, "width": 32, "layers": 1, "head_width": 16}


@dataclass(frozen=True)
class Plant:
    """What is planted where.

    Attributes:
        first: (block, head) that moves the negator's flag to the carrier.
        second: (block, head) that moves it on to EOT, in a later block.
        carrier: role of the token in between, of sentences "There is/are no ...".
        layers, heads, width: of the text tower.
        seed: of everything random, the image encoder included.
        strength: length of a marker or flag, in units of sqrt(width), about a token's length.
        noise: size of what a random head or MLP writes, in the same units.

    Raises:
        InputError: there is no such place, or no room for the circuit.
    """

    first: Place
    second: Place
    carrier: Carrier = "subject_first"
    layers: int = 6
    heads: int = 4
    width: int = 64
    seed: int = 0
    strength: float = 0.5
    noise: float = 0.05

    def __post_init__(self) -> None:
        for name, (block, head) in (("first", self.first), ("second", self.second)):
            if not (1 <= block <= self.layers and 1 <= head <= self.heads):
                raise InputError(
                    f"{name}: there is no head {head} in block {block} of a tower of "
                    f"{self.layers} blocks x {self.heads} heads"
                )
        if self.first[0] >= self.second[0]:
            raise InputError(
                f"first: block {self.first[0]} must come before that of second, {self.second[0]}"
            )
        if self.carrier not in ("subject_first", "full_stop"):
            raise InputError(f"carrier {self.carrier!r}: use subject_first or full_stop")
        if self.width % self.heads or self.width < max(32, 4 * self.heads):
            raise InputError(
                f"width {self.width}: use a multiple of the {self.heads} heads, "
                f"{max(32, 4 * self.heads)} or more"
            )
        if self.strength <= 0 or self.noise < 0:
            raise InputError("strength must be positive, and noise not negative")

    @property
    def flag_size(self) -> float:
        """Length of a marker or flag in the residual stream."""
        return self.strength * sqrt(self.width)


def plant_of(values: Mapping[str, Any]) -> Plant:
    """The plant that a model's entry in the configuration describes, keys as the attributes.

    Raises:
        InputError: the values make no plant.
    """
    try:
        return Plant(**{**values, **{name: tuple(values[name]) for name in ("first", "second")}})
    except (KeyError, TypeError) as error:
        raise InputError(f"{dict(values)} does not describe a plant ({error})") from error


def expected(plant: Plant) -> pd.DataFrame:
    """What patching a cell of a "There is/are" sentence should restore: all or nothing.

    The flag lies at the determiner in hidden states 0 to l1 - 1, at the carrier in l1 to l2 - 1 and
    at EOT from l2 on; outputs of attention hold it where the two heads write it, MLPs never.

    Returns:
        every cell of the sites resid, attn_out, mlp_out and head, for sentences of the same number
        of tokens: columns site, layer, head (null but for heads), role, restoration (0.0 or 1.0).
    """
    (l1, h1), (l2, h2) = plant.first, plant.second
    flagged = {
        "resid": {
            *((layer, "determiner") for layer in range(l1)),
            *((layer, plant.carrier) for layer in range(l1, l2)),
            *((layer, "EOT") for layer in range(l2, plant.layers + 1)),
        },
        "attn_out": {(l1, plant.carrier), (l2, "EOT")},
        "mlp_out": set(),
    }
    rows: list[tuple[str, int, int | None, str, float]] = [
        (site, layer, None, role, float((layer, role) in cells))
        for site, cells in flagged.items()
        for layer in range(site != "resid", plant.layers + 1)
        for role in THERE_ROLES
    ]
    rows += [
        ("head", layer, head, "all", float((layer, head) in ((l1, h1), (l2, h2))))
        for layer in range(1, plant.layers + 1)
        for head in range(1, plant.heads + 1)
    ]
    frame = pd.DataFrame(rows, columns=["site", "layer", "head", "role", "restoration"])
    return frame.astype({"layer": "int16", "head": "Int16"})


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


def found(
    cells: pd.DataFrame, maps: Iterable[pd.DataFrame], segment: str, alpha: float
) -> pd.DataFrame:
    """Which cells patching finds, beside those that were planted.

    A cell is found if it differs significantly from 0 (family-wise) and its interval lies above
    `LEAST`: random heads carry a little of anything, which with enough items is significant too.
    Cells that are known by definition are not to be found.

    Args:
        cells: see `expected`.
        maps: ``restoration_map`` of some of the sites, in one direction.
        segment: which items.  The planted image encoder sees brightness, not content, so that d
            is as often negative: over all items the effects of the circuit cancel.
        alpha: level of the family-wise error.

    Returns:
        a row per expected and computed cell of these sites, over both negations: site, layer, head,
        role, planted, found (bool), ratio, ratio_ci_low, ratio_ci_high, p_fwer.
    """
    table = pd.concat(maps, ignore_index=True).astype({"head": "Int16", "site": str, "role": str})
    table = table[(table["negation"] == ALL) & (table["segment"] == segment)]
    table = table[~table["known"]]
    both = cells.merge(table, on=["site", "layer", "head", "role"])
    # A segment has intervals only.
    significant = ~(both["p_fwer"] > alpha) & (both["ratio_ci_low"] > LEAST)
    both = both.assign(planted=both["restoration"] == 1, found=significant)
    measured = ["ratio", "ratio_ci_low", "ratio_ci_high", "p_fwer"]
    return both[["site", "layer", "head", "role", "planted", "found", *measured]]


def write_planted(plant: Plant, configuration: Path, weights: Path, active: bool = True) -> None:
    """Write the model as the pipeline loads models.

    Args:
        configuration: architecture (.json); its name is what open_clip will know it by.
        weights: checkpoint (.safetensors).
        active: as in `planted_model`.
    """
    write_json(architecture(plant), configuration)
    write_bytes(save(planted_model(plant, active).state_dict()), weights)
