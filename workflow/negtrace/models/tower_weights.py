"""Weights of a text tower: which there are, in what sizes, in one precision."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor

from negtrace.errors import InputError
from negtrace.models.tower_shape import TowerShape

# Every weight of a block with its size: w is the tower's width, m that of the MLP.
BLOCK_WEIGHTS = {
    "ln_1.weight": ("w",),
    "ln_1.bias": ("w",),
    "qkv.weight": ("3w", "w"),
    "qkv.bias": ("3w",),
    "out.weight": ("w", "w"),
    "out.bias": ("w",),
    "ln_2.weight": ("w",),
    "ln_2.bias": ("w",),
    "fc.weight": ("m", "w"),
    "fc.bias": ("m",),
    "proj.weight": ("w", "m"),
    "proj.bias": ("w",),
}


def of_one_dtype(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A model's weights without their history, in the highest precision among them.

    Raises:
        InputError: one is quantised.
    """
    for name, weight in weights.items():
        if not weight.is_floating_point():
            raise InputError(
                f"weight {name} of the text tower is {weight.dtype}; load the model unquantised"
            )
    dtype = reduce(torch.promote_types, (weight.dtype for weight in weights.values()))
    return {name: weight.detach().to(dtype) for name, weight in weights.items()}


def check_weights(shape: TowerShape, weights: Mapping[str, Tensor]) -> None:
    """Every weight that a tower of this shape has is there, in its size.

    Raises:
        InputError: one is missing or of another size.
    """
    if shape.width % shape.heads:
        raise InputError(f"width {shape.width} is not a multiple of the {shape.heads} heads")
    w = shape.width
    size_of = {"w": w, "3w": 3 * w, "m": shape.mlp_width}
    optional: dict[str, tuple[int, ...]] = {}
    expected = {
        "token_embedding": (shape.vocab_size, w),
        "positional_embedding": (shape.context_length + (shape.pool == "class"), w),
        "ln_final.weight": (w,),
        "ln_final.bias": (w,),
    }
    for block in range(1, shape.layers + 1):
        for name, parts in BLOCK_WEIGHTS.items():
            expected[f"blocks.{block}.{name}"] = tuple(size_of[part] for part in parts)
    out = w
    for number in range(1, len(shape.read_out) + 1):
        name, inputs = f"read_out.{number}", out
        out = len(weights.get(f"{name}.weight", ()))
        expected[f"{name}.weight"] = (out, inputs)
        optional[f"{name}.bias"] = (out,)
    optional |= {"projection": (out, shape.embed_dim), "projection_bias": (shape.embed_dim,)}
    expected |= {name: size for name, size in optional.items() if name in weights}
    for name, size in expected.items():
        if name not in weights:
            raise InputError(f"the text tower has no weight {name!r}")
        if tuple(weights[name].shape) != size:
            found = tuple(weights[name].shape)
            raise InputError(f"weight {name!r} of the text tower is {found}, expected {size}")
