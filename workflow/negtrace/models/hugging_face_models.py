"""Hugging Face's CLIP and SigLIP: their configuration and weights under open_clip's names.

Both libraries compute the same function; names differ, queries, keys and values lie apart, and
projections are transposed.  The map is exact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from negtrace.errors import InputError

# Names that only such a checkpoint has.
TEXT_END = "text_model.final_layer_norm.weight"

_TANH = {"approximate": "tanh"}
_ACTIVATIONS = {"quick_gelu": None, "gelu": {}, "gelu_new": _TANH, "gelu_pytorch_tanh": _TANH}
# Pillow's numbers for ways to interpolate.
_INTERPOLATION = {2: "bilinear", 3: "bicubic"}
_EOT_UNSET = 2  # Hugging Face's old default, which means "the largest id"

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


def model_configuration(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """open_clip's configuration of a Hugging Face CLIP, from its ``config.json``.

    Raises:
        InputError: it is of another kind, or computes something that open_clip's CLIP does not.
    """
    kind = config.get("model_type")
    if str(kind).startswith("siglip"):
        raise InputError(
            f"{where}: a Hugging Face SigLIP, whose image tower open_clip only has by name; give "
            "an open_clip architecture (such as ViT-B-16-SigLIP) and the folder as weights"
        )
    if kind != "clip" or not isinstance(config.get("vision_config"), Mapping):
        raise InputError(
            f"{where}: a Hugging Face model of type {kind!r}, which open_clip cannot be; only CLIP "
            "(model_type clip, both towers) is read"
        )
    # Older files leave out what is as in the first CLIP.
    default: dict[str, Any] = {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}
    default["num_hidden_layers"] = 12
    text = default | {"hidden_size": 512, "intermediate_size": 2048, "num_attention_heads": 8}
    text |= {"vocab_size": 49408, "max_position_embeddings": 77, "eos_token_id": 49407}
    vision = default | {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
    vision |= {"image_size": 224, "patch_size": 32, "num_channels": 3}
    text |= config.get("text_config") or {}
    vision |= config["vision_config"]
    quick = text["hidden_act"] == "quick_gelu"
    for tower in (text, vision):
        if tower["hidden_act"] not in _ACTIVATIONS:
            raise InputError(f"{where}: hidden_act {tower['hidden_act']!r} is not supported")
    if quick != (vision["hidden_act"] == "quick_gelu") or vision["num_channels"] != 3:
        raise InputError(
            f"{where}: towers of different activations, or pictures without three channels, are "
            "not supported"
        )
    model: dict[str, Any] = {
        "embed_dim": config.get("projection_dim", 512),
        "quick_gelu": quick,
        "vision_cfg": {
            **_tower(vision),
            "image_size": vision["image_size"],
            "patch_size": vision["patch_size"],
            "head_width": vision["hidden_size"] // vision["num_attention_heads"],
        },
        "text_cfg": {
            **_tower(text),
            "heads": text["num_attention_heads"],
            "vocab_size": text["vocab_size"],
            "context_length": text["max_position_embeddings"],
        },
    }
    if text["eos_token_id"] not in (_EOT_UNSET, text["vocab_size"] - 1, 49407):
        model["text_cfg"] |= {"pool_type": "eos", "eos_id": text["eos_token_id"]}
    return model


def _tower(tower: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "width": tower["hidden_size"],
        "layers": tower["num_hidden_layers"],
        "mlp_ratio": tower["intermediate_size"] / tower["hidden_size"],
        "norm_kwargs": {"eps": tower["layer_norm_eps"]},
    }
    act = _ACTIVATIONS[tower["hidden_act"]]
    return found | ({"act_kwargs": act} if act else {})


def preprocess_configuration(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """open_clip's ``preprocess_cfg`` from a Hugging Face ``preprocessor_config.json``.

    Raises:
        InputError: it says something that open_clip's preprocessing cannot do.
    """
    resample = config.get("resample", 3)
    if resample not in _INTERPOLATION or config.get("do_resize") is False:
        raise InputError(f"{where}: resample {resample!r} or do_resize false is not supported")
    found: dict[str, Any] = {"interpolation": _INTERPOLATION[resample]}
    crops = config.get("do_center_crop", "crop_size" in config)
    found["resize_mode"] = "shortest" if crops else "squash"
    if config.get("do_normalize") is False:
        return found | {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    for mine, theirs in (("mean", "image_mean"), ("std", "image_std")):
        if theirs in config:
            found[mine] = tuple(config[theirs])
    return found
