"""open_clip models: find one's architecture and weights, and load it.

`preflight` decides from a model's configuration alone,
before any weight is loaded, whether its text tower has the structure that `tower.py` describes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch import Tensor, nn

from negtrace.alignment import Tokenizer
from negtrace.errors import InputError
from negtrace.open_clip_tokenizers import as_tokenizer

RANDOM = "random"


@dataclass(frozen=True)
class ModelSpec:
    """Which model: an entry of `models:` in the configuration.

    Attributes:
        architecture: an open_clip architecture name, or the path of a configuration in
            open_clip's own JSON format (recognised by its ``.json`` ending).
        weights: ``random``, one of open_clip's pretrained tags, or the path of a checkpoint.
        seed: seed of the random weights; ignored for others.
    """

    architecture: str
    weights: str = RANDOM
    seed: int = 0


@dataclass(frozen=True)
class LoadedModel:
    """A model ready for use.

    Attributes:
        model: open_clip module in evaluation mode, float32, on the CPU.
        preprocess: PIL image to pixel tensor [3, height, width].
        tokenizer: how it cuts sentences into tokens.
        identity: architecture, weights, their hash, logit scale.
    """

    model: nn.Module
    preprocess: Callable[[Image.Image], Tensor]
    tokenizer: Tokenizer
    identity: dict[str, Any]


def architecture_config(architecture: str) -> tuple[str, dict[str, Any]]:
    """Name and configuration of an architecture, registering a configuration file if it is one.

    Raises:
        InputError: no such architecture or file, or the file is not an open_clip configuration.
    """
    name = architecture
    if architecture.endswith(".json"):
        path = Path(architecture)
        try:
            config = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: no readable model configuration ({error})") from error
        missing = [key for key in ("embed_dim", "vision_cfg", "text_cfg") if key not in config]
        if missing:
            raise InputError(
                f"{path}: not an open_clip model configuration, it has no {', '.join(missing)}"
            )
        if path.stem in open_clip.list_models() and open_clip.get_model_config(path.stem) != config:
            raise InputError(
                f"{path}: open_clip has another architecture named {path.stem!r}; rename the file"
            )
        open_clip.add_model_config(path)
        name = path.stem
    config = open_clip.get_model_config(name)
    if config is None:
        close = get_close_matches(name, open_clip.list_models(), n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise InputError(f"open_clip knows no architecture {name!r}{hint}")
    return name, config


def refusal(config: dict[str, Any]) -> str | None:
    """Why a model with this configuration cannot be traced, or None if it can."""
    text = config["text_cfg"]
    if text.get("hf_model_name"):
        return f"its text tower is a Hugging Face model ({text['hf_model_name']})"
    if text.get("correct_cls_mask"):
        return "its class token has another mask than CoCa's (text_cfg.correct_cls_mask)"
    if text.get("embed_cls") and text.get("no_causal_mask"):
        return "it has a class token but no causal mask (text_cfg.embed_cls, no_causal_mask)"
    if text.get("use_pad_mask"):
        return "it masks padding (text_cfg.use_pad_mask)"
    if text.get("tokenizer_mode"):
        return "its tokenizer has a mode of its own (text_cfg.tokenizer_mode)"
    for key in ("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner"):
        if text.get(key):
            return f"its attention departs from softmax(q k / sqrt(d)) v (text_cfg.{key})"
    for key in ("scale_attn", "scale_fc"):
        if text.get(key):
            return f"its blocks have extra LayerNorms (text_cfg.{key})"
    causal = not text.get("no_causal_mask", False)
    pool = text.get("pool_type", "argmax")
    if pool == "none" or (pool == "eos" and not causal):
        return f"its sentence embedding is pooled in an unknown way (text_cfg.pool_type={pool})"
    return None


def preflight(spec: ModelSpec) -> str:
    """Check a model before anything is loaded; returns open_clip's name of its architecture.

    Raises:
        InputError: unknown architecture or weights, or a text tower that cannot be traced.
    """
    name, config = architecture_config(spec.architecture)
    reason = refusal(config)
    if reason:
        raise InputError(f"{name} cannot be traced: {reason}; choose another architecture")
    if spec.weights == RANDOM or Path(spec.weights).is_file():
        return name
    tags = open_clip.list_pretrained_tags_by_model(name)
    if spec.weights not in tags:
        raise InputError(
            f"{name}: {spec.weights!r} is neither a file nor one of its pretrained weights "
            f"({', '.join(tags) or 'none known'}); 'random' gives seeded random weights"
        )
    tag = open_clip.get_pretrained_cfg(name, spec.weights)
    if bool(tag.get("quick_gelu")) != bool(config.get("quick_gelu")):
        other = f"{name}-quickgelu" if tag.get("quick_gelu") else name.removesuffix("-quickgelu")
        raise InputError(
            f"{name}: the weights {spec.weights!r} were trained with "
            f"{'QuickGELU' if tag.get('quick_gelu') else 'GELU'}; use the architecture {other}"
        )
    return name


@dataclass(frozen=True)
class Pretrained:
    """Where open_clip's pretrained weights of one tag, and a tokenizer's files, can be had.

    Attributes:
        repository: of the Hugging Face hub; None if the weights are not there.
        names: file names to look for in the repository, in this order.
        url: of a checkpoint elsewhere, or None.
        tokenizer: repository of a Hugging Face tokenizer, or None.
    """

    repository: str | None
    names: tuple[str, ...]
    url: str | None
    tokenizer: str | None


def pretrained(spec: ModelSpec) -> Pretrained:
    """Sources of a model's files; empty ones where nothing has to be downloaded.

    Raises:
        InputError: as `preflight`.
    """
    name = preflight(spec)
    tokenizer = open_clip.get_model_config(name)["text_cfg"].get("hf_tokenizer_name") or None
    tag = open_clip.get_pretrained_cfg(name, spec.weights) if is_tag(spec.weights) else {}
    repository, _, file = tag.get("hf_hub", "").rpartition("/")
    # A hub entry without a file name means open_clip's usual names; safetensors come first.
    names = (file,) if file else ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    if Path(file).suffix in (".bin", ".pth"):
        names = (f"{file[:-4]}.safetensors", file)
    return Pretrained(repository or None, names, tag.get("url") or None, tokenizer)


def is_tag(weights: str) -> bool:
    """Whether a model's weights are one of open_clip's tags: neither random nor a file."""
    return weights != RANDOM and not Path(weights).is_file()


def load(
    spec: ModelSpec,
    checkpoint: Path | str | None = None,
    tokenizer: Path | str | None = None,
) -> LoadedModel:
    """Build a model in float32 and evaluation mode.

    Args:
        checkpoint: the file of a tag's weights; without it open_clip downloads them.
        tokenizer: as in `tokenizer_of`.

    Raises:
        InputError: as `preflight`, or the weights do not fit the architecture.
    """
    name = preflight(spec)
    logging.getLogger("open_clip").setLevel(logging.WARNING)
    torch.manual_seed(spec.seed)
    source = None if spec.weights == RANDOM else str(checkpoint or spec.weights)
    # What a tag says about pixels gets lost when its file is loaded by path.
    tag = open_clip.get_pretrained_cfg(name, spec.weights) if is_tag(spec.weights) else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = open_clip.create_model(
                name,
                pretrained=source,
                pretrained_image=False,
                pretrained_text=False,
                force_preprocess_cfg=tag,
            )
    except Exception as error:
        raise InputError(f"{name}: cannot load the weights {source!r}: {error}") from error
    model.eval().requires_grad_(False)
    identity = {
        "architecture": name,
        "weights": spec.weights if "/" not in spec.weights else Path(spec.weights).name,
        "seed": spec.seed if spec.weights == RANDOM else None,
        "random": spec.weights == RANDOM,
        "weights_sha256": state_hash(model),
        "logit_scale": float(model.logit_scale.exp()),
    }
    preprocess = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)
    return LoadedModel(model, preprocess, tokenizer_of(spec.architecture, tokenizer), identity)


def tokenizer_of(architecture: str, folder: Path | str | None = None) -> Tokenizer:
    """An architecture's tokenizer, without building the model.

    Args:
        folder: holds the files of a Hugging Face tokenizer and ``open_clip_config.json`` (see
            `weights.fetch_weights`); without it open_clip downloads what it needs.

    Raises:
        InputError: it cannot be had, or is of an unknown kind.
    """
    name = architecture_config(architecture)[0]
    try:
        made = open_clip.get_tokenizer(name if folder is None else f"local-dir:{folder}")
    except ImportError as error:
        raise InputError(
            f"{name}: its tokenizer is a Hugging Face one; pip install transformers ({error})"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: cannot load its tokenizer: {error}") from error
    return as_tokenizer(made)


def state_hash(model: nn.Module) -> str:
    """sha256 over the names, shapes and bytes of all weights, independent of the file format."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(weight.shape)}{weight.dtype}".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
