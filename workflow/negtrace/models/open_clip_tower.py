"""The text tower of an open_clip model, cut out of it."""

from __future__ import annotations

from typing import Any

import torch
from open_clip.hf_model import HFTextEncoder
from open_clip.transformer import QuickGELU, ResidualAttentionBlock
from torch import Tensor, nn

from negtrace.errors import InputError
from negtrace.models.hugging_face_encoder import encoder_tower
from negtrace.models.open_clip_structure import (
    Model,
    check_structure,
    eos_id,
    pool_type,
    text_module,
)
from negtrace.models.tower import TextTower
from negtrace.models.tower_shape import Activation, Pooling, TowerShape
from negtrace.models.tower_weights import of_one_dtype

# How open_clip says where a tower is read out.
POOLS: dict[str, Pooling] = {
    "argmax": "eot",
    "eos": "eot",
    "first": "first",
    "last": "last",
    "class": "class",
}


def text_tower(model: Model, identity: dict[str, Any] | None = None, pad_id: int = 0) -> TextTower:
    """The text tower of an open_clip model, sharing its weights.

    LayerScale is folded into the projections that it follows, which changes no output.  A class
    token becomes one more row of the token embedding.  Weights of mixed precision are brought to
    the highest among them.

    Args:
        pad_id: what the model's tokenizer fills sentences up with.

    Raises:
        InputError: the module's structure is not the one that `tower.py` describes.
    """
    check_structure(model)
    text = text_module(model)
    if isinstance(text, HFTextEncoder):
        return encoder_tower(text, pad_id, identity)
    blocks = text.transformer.resblocks
    first = blocks[0]
    pool = pool_type(model, text)
    projection = text.text_projection
    token_embedding = text.token_embedding.weight
    class_token = getattr(text, "cls_emb", None)
    if class_token is not None:
        if pad_id != text.pad_id:
            raise InputError(
                f"the tokenizer pads with token {pad_id}, the model's mask expects {text.pad_id} "
                "(text_cfg.pad_id); use the model's own tokenizer"
            )
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
        pool=POOLS[pool],
        ln_eps=first.ln_1.eps,
        pad_id=pad_id,
        eos_id=eos_id(model, text) if pool == "eos" else None,
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
    return TextTower(shape, of_one_dtype(weights), identity)


def _block_weights(block: ResidualAttentionBlock) -> dict[str, Tensor]:
    attention = block.attn
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


def _activation(module: nn.GELU | QuickGELU) -> Activation:
    if type(module) is QuickGELU:
        return "quick_gelu"
    return "gelu_tanh" if module.approximate == "tanh" else "gelu"


def _projection_width(projection: nn.Linear | Tensor | None, width: int) -> int:
    if projection is None:
        return width
    return projection.out_features if isinstance(projection, nn.Linear) else projection.shape[1]
