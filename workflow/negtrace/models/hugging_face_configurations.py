"""Hugging Face's configurations of CLIP, as open_clip says the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from negtrace.errors import InputError

_TANH = {"approximate": "tanh"}
_ACTIVATIONS = {"quick_gelu": None, "gelu": {}, "gelu_new": _TANH, "gelu_pytorch_tanh": _TANH}
# Pillow's numbers for ways to interpolate.
_INTERPOLATION = {2: "bilinear", 3: "bicubic"}
_EOT_UNSET = 2  # Hugging Face's old default, which means "the largest id"


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
