"""The text tower of an open_clip model, cut out of it."""

from __future__ import annotations

from typing import Any

import torch
from open_clip.transformer import Attention
from torch import Tensor, nn

from negtrace.errors import InputError
from negtrace.tower import TextTower, TowerShape


def text_tower(
    model: nn.Module, identity: dict[str, Any] | None = None, pad_id: int = 0
) -> TextTower:
    """The text tower of an open_clip model, sharing its weights.

    LayerScale is folded into the projections that it follows, which changes no output.  A class
    token becomes one more row of the token embedding.

    Args:
        pad_id: what the model's tokenizer fills sentences up with.

    Raises:
        InputError: the module's structure is not the one that `tower.py` describes.
    """
    text = model.text if hasattr(model, "text") else model
    blocks = getattr(getattr(text, "transformer", None), "resblocks", None)
    if blocks is None:
        raise InputError(f"{type(text).__name__} is not a text tower of native open_clip blocks")
    first = blocks[0]
    pool = getattr(model, "text_pool_type", None) or text.pool_type
    projection = text.text_projection
    token_embedding = text.token_embedding.weight
    class_token = getattr(text, "cls_emb", None)
    if class_token is not None:
        pool = "class"
        token_embedding = torch.cat([token_embedding, class_token[None]])
    positional_embedding = text.positional_embedding
    shape = TowerShape(
        width=token_embedding.shape[1],
        heads=first.attn.num_heads,
        layers=len(blocks),
        mlp_width=first.mlp.c_fc.out_features,
        context_length=positional_embedding.shape[0] - (class_token is not None),
        vocab_size=token_embedding.shape[0],
        embed_dim=_projection_width(projection, token_embedding.shape[1]),
        activation=_activation(first.mlp.gelu),
        causal=text.attn_mask is not None,
        pool={"argmax": "eot", "eos": "eot"}.get(pool, pool),
        ln_eps=first.ln_1.eps,
        pad_id=pad_id,
    )
    weights = {
        "token_embedding": token_embedding,
        "positional_embedding": positional_embedding,
        "ln_final.weight": text.ln_final.weight,
        "ln_final.bias": text.ln_final.bias,
    }
    if isinstance(projection, nn.Linear):
        weights["projection"] = projection.weight.T
        if projection.bias is not None:
            weights["projection_bias"] = projection.bias
    elif projection is not None:
        weights["projection"] = projection
    for number, block in enumerate(blocks, start=1):
        for key, weight in _block_weights(block).items():
            weights[f"blocks.{number}.{key}"] = weight
    return TextTower(shape, {k: w.detach() for k, w in weights.items()}, identity)


def _block_weights(block: nn.Module) -> dict[str, Tensor]:
    attention = block.attn
    if not isinstance(attention, nn.MultiheadAttention | Attention):
        raise InputError(f"attention of class {type(attention).__name__} is not supported")
    out_scale, mlp_scale = _layer_scale(block.ls_1), _layer_scale(block.ls_2)
    return {
        "ln_1.weight": block.ln_1.weight,
        "ln_1.bias": block.ln_1.bias,
        "qkv.weight": attention.in_proj_weight,
        "qkv.bias": attention.in_proj_bias,
        "out.weight": _scaled(attention.out_proj.weight, out_scale),
        "out.bias": _scaled(attention.out_proj.bias, out_scale),
        "ln_2.weight": block.ln_2.weight,
        "ln_2.bias": block.ln_2.bias,
        "fc.weight": block.mlp.c_fc.weight,
        "fc.bias": block.mlp.c_fc.bias,
        "proj.weight": _scaled(block.mlp.c_proj.weight, mlp_scale),
        "proj.bias": _scaled(block.mlp.c_proj.bias, mlp_scale),
    }


def _layer_scale(module: nn.Module) -> Tensor | None:
    return getattr(module, "gamma", None)


def _scaled(weight: Tensor, scale: Tensor | None) -> Tensor:
    if scale is None:
        return weight
    return weight * (scale[:, None] if weight.ndim == 2 else scale)


def _activation(module: nn.Module) -> str:
    if type(module).__name__ == "QuickGELU":
        return "quick_gelu"
    if isinstance(module, nn.GELU):
        return "gelu_tanh" if module.approximate == "tanh" else "gelu"
    raise InputError(f"activation of class {type(module).__name__} is not supported")


def _projection_width(projection: nn.Module | Tensor | None, width: int) -> int:
    if projection is None:
        return width
    return projection.out_features if isinstance(projection, nn.Linear) else projection.shape[1]
