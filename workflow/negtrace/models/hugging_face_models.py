"""Hugging Face's CLIP and SigLIP: their weights under open_clip's names.

Both libraries compute the same function; names differ, queries, keys and values lie apart, and
projections are transposed.  The map is exact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

# Names that only such a checkpoint has.
TEXT_END = "text_model.final_layer_norm.weight"

_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)")
_QKV = re.compile(r"(.+)\.self_attn\.([qkv])_proj\.(weight|bias)")

_IN_BLOCK = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_TEXT = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
    "head.weight": "text_projection.weight",
    "head.bias": "text_projection.bias",
}
_VISION = {
    "embeddings.class_embedding": "class_embedding",
    "embeddings.patch_embedding.weight": "conv1.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "pre_layrnorm.weight": "ln_pre.weight",
    "pre_layrnorm.bias": "ln_pre.bias",
    "post_layernorm.weight": "ln_post.weight",
    "post_layernorm.bias": "ln_post.bias",
}
# SigLIP's image tower is one of timm in open_clip.
_TIMM_IN_BLOCK = {
    "self_attn.out_proj": "attn.proj",
    "layer_norm1": "norm1",
    "layer_norm2": "norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_TIMM = {
    "embeddings.patch_embedding.weight": "patch_embed.proj.weight",
    "embeddings.patch_embedding.bias": "patch_embed.proj.bias",
    "embeddings.position_embedding.weight": "pos_embed",
    "post_layernorm.weight": "norm.weight",
    "post_layernorm.bias": "norm.bias",
    "head.probe": "attn_pool.latent",
    "head.attention.out_proj.weight": "attn_pool.proj.weight",
    "head.attention.out_proj.bias": "attn_pool.proj.bias",
    "head.layernorm.weight": "attn_pool.norm.weight",
    "head.layernorm.bias": "attn_pool.norm.bias",
    **{
        f"head.mlp.{n}.{w}": f"attn_pool.mlp.{n}.{w}"
        for n in ("fc1", "fc2")
        for w in ("weight", "bias")
    },
}


def is_hugging_face(state: Mapping[str, Tensor]) -> bool:
    """Whether weights go by Hugging Face's names."""
    return TEXT_END in state


def as_open_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under open_clip's names; those that have none keep theirs.

    The text tower's names have no ``text.`` before them.
    """
    siglip = "vision_model.head.probe" in state
    found: dict[str, Tensor] = {}
    for name, weight in _joined(state).items():
        side, _, rest = name.partition(".")
        if name.endswith("position_ids"):
            continue
        if name == "text_projection.weight":
            found["text_projection"] = weight.T
        elif name == "visual_projection.weight":
            found["visual.proj"] = weight.T
        elif side == "text_model":
            found[_name(rest, _TEXT, _IN_BLOCK, "transformer.resblocks") or name] = weight
        elif side == "vision_model" and siglip:
            found |= _of_timm(name, rest, weight)
        elif side == "vision_model":
            mine = _name(rest, _VISION, _IN_BLOCK, "transformer.resblocks")
            found[f"visual.{mine}" if mine else name] = weight
        else:
            found[name] = weight
    return found


def _joined(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Queries, keys and values of a layer as one weight, ``self_attn.qkv``."""
    found: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, weight in state.items():
        match = _QKV.fullmatch(name)
        if match:
            parts.setdefault(f"{match[1]}.self_attn.qkv.{match[3]}", {})[match[2]] = weight
        else:
            found[name] = weight
    for name, part in parts.items():
        if set(part) == set("qkv"):
            found[name] = torch.cat([part[which] for which in "qkv"])
    return found


def _name(rest: str, ends: Mapping[str, str], blocks: Mapping[str, str], stem: str) -> str | None:
    """open_clip's name of a weight of one tower, or None."""
    layer = _LAYER.fullmatch(rest)
    if layer is None:
        return ends.get(rest)
    part, _, which = layer[2].rpartition(".")
    if part == "self_attn.qkv":
        own = f"attn.qkv.{which}" if stem == "blocks" else f"attn.in_proj_{which}"
        return f"{stem}.{layer[1]}.{own}"
    return f"{stem}.{layer[1]}.{blocks[part]}.{which}" if part in blocks else None


def _of_timm(name: str, rest: str, weight: Tensor) -> dict[str, Tensor]:
    """A weight of SigLIP's image tower; that of its pooling head becomes two."""
    if rest.startswith("head.attention.in_proj_"):
        which, width = rest.rpartition("_")[2], len(weight) // 3
        stem = "visual.trunk.attn_pool"
        return {f"{stem}.q.{which}": weight[:width], f"{stem}.kv.{which}": weight[width:]}
    mine = _name(rest, _TIMM, _TIMM_IN_BLOCK, "blocks")
    if mine == "pos_embed":
        weight = weight[None]
    return {f"visual.trunk.{mine}" if mine else name: weight}
