"""Parts of Hugging Face's text encoders: where a family has its weights, and what may be there.

As with open_clip's parts, every module has a class that is known, of transformers' own file of the
family or of torch, and nothing stands between weights and output.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from negtrace.errors import InputError
from negtrace.models.open_clip_parts import refused
from negtrace.models.tower_shape import Activation
from negtrace.models.untouched import check_untouched

PLAIN = (nn.Linear, nn.LayerNorm, nn.Embedding, nn.Dropout, nn.ModuleList, nn.Tanh)
ACTIVATIONS = "transformers.activations"


class Family(NamedTuple):
    """Names of modules in a text encoder; those of a block by the names of `BLOCK_WEIGHTS`."""

    token_embedding: str
    position_embedding: str
    blocks: str
    qkv: tuple[str, str, str]
    block: dict[str, str]
    activation: str


CLIP = Family(
    token_embedding="embeddings.token_embedding",
    position_embedding="embeddings.position_embedding",
    blocks="encoder.layers",
    qkv=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    block={
        "ln_1": "layer_norm1",
        "out": "self_attn.out_proj",
        "ln_2": "layer_norm2",
        "fc": "mlp.fc1",
        "proj": "mlp.fc2",
    },
    activation="mlp.activation_fn",
)

# By the class of the activation.
_KINDS: dict[str, Activation] = {
    "QuickGELUActivation": "quick_gelu",
    "GELUActivation": "gelu",
    "NewGELUActivation": "gelu_tanh",
    "GELUTanh": "gelu_tanh",
    "PytorchGELUTanh": "gelu_tanh",
}


def check_parts(what: str, encoder: nn.Module) -> None:
    """Every module of an encoder is what transformers made it.

    Args:
        what: the encoder's name in the model.

    Raises:
        InputError: one is of another class, or has a hook or a method of its own; names it and the
            remedy.
    """
    own = type(encoder).__module__
    for name, module in encoder.named_modules(prefix=what):
        kind = type(module)
        if kind not in PLAIN and kind.__module__ not in (own, ACTIVATIONS):
            raise refused(f"{name} of the text tower", module, f"transformers' own ({own})")
        check_untouched(name, module, ("forward",))
        if isinstance(module, nn.Embedding) and module.max_norm is not None:
            raise InputError(f"{name} has a max_norm, which changes its weights; set it to None")
    if len({norm.eps for norm in encoder.modules() if isinstance(norm, nn.LayerNorm)}) > 1:
        raise InputError("the LayerNorms of the text tower differ in eps; it cannot be traced")


def blocks_of(encoder: nn.Module, family: Family) -> list[Any]:
    """The blocks of an encoder.

    Raises:
        InputError: it has none, or is built otherwise (by another release of transformers).
    """
    try:
        blocks = list(encoder.get_submodule(family.blocks).children())
        for where in (*family.qkv, *family.block.values(), family.activation):
            for block in blocks:
                block.get_submodule(where)
    except AttributeError as error:
        raise InputError(
            f"{type(encoder).__name__} has other parts than are known ({error}); use the release "
            "of transformers that pyproject.toml names"
        ) from error
    if not blocks:
        raise InputError("the text tower has no blocks; there is nothing to trace")
    return blocks


def block_weights(block: nn.Module, family: Family) -> Iterator[tuple[str, Tensor]]:
    """(name, weight) of a block under negtrace's names."""
    for kind in ("weight", "bias"):
        parts = [getattr(block.get_submodule(where), kind) for where in family.qkv]
        yield f"qkv.{kind}", torch.cat(parts)
        for name, where in family.block.items():
            yield f"{name}.{kind}", getattr(block.get_submodule(where), kind)


def activation_of(block: nn.Module, family: Family) -> Activation:
    """The non-linearity of a block's MLP.

    Raises:
        InputError: `tower.py` has none like it.
    """
    name = type(block.get_submodule(family.activation)).__name__
    if name not in _KINDS:
        raise InputError(f"the text tower's activation is {name}; it cannot be traced")
    return _KINDS[name]
