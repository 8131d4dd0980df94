"""open_clip models: load one, cut out its text tower, encode images with the rest.

The only module that imports open_clip.  `preflight` decides from a model's configuration alone,
before any weight is loaded, whether its text tower has the structure that `tower.py` describes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from open_clip.transformer import Attention
from PIL import Image
from torch import Tensor, nn

from negtrace.alignment import Tokenizer
from negtrace.errors import InputError
from negtrace.pictures import open_picture
from negtrace.tower import TextTower, TowerShape

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


def as_tokenizer(made: Any) -> Tokenizer:
    """What negtrace needs of an open_clip tokenizer.

    Raises:
        InputError: it is of an unknown kind.
    """
    if isinstance(made, open_clip.SimpleTokenizer):
        return _byte_pair_tokenizer(made)
    if isinstance(made, open_clip.tokenizer.HFTokenizer) and not made.tokenizer_mode:
        return _hugging_face_tokenizer(made)
    raise InputError(f"tokenizers of class {type(made).__name__} are not supported")


def _byte_pair_tokenizer(made: open_clip.SimpleTokenizer) -> Tokenizer:
    def encode(sentence: str) -> list[int]:
        return [made.sot_token_id, *made.encode(sentence), made.eot_token_id]

    def decode(token: int) -> str:
        return made.decoder[token].replace("</w>", "")

    return Tokenizer(encode, decode, start_tokens=1, pad_id=0)


def _hugging_face_tokenizer(made: open_clip.tokenizer.HFTokenizer) -> Tokenizer:
    inner = made.tokenizer

    def encode(sentence: str) -> list[int]:
        ids = inner(made.clean_fn(sentence)).input_ids
        return [0 if made.strip_sep_token and i == inner.sep_token_id else i for i in ids]

    def decode(token: int) -> str:
        return inner.convert_ids_to_tokens(token)

    start_tokens = len(encode("")) - 1  # all that an empty sentence has besides the end token
    return Tokenizer(encode, decode, start_tokens, pad_id=int(made([""])[0, -1]))


def state_hash(model: nn.Module) -> str:
    """sha256 over the names, shapes and bytes of all weights, independent of the file format."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(weight.shape)}{weight.dtype}".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


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


def encode_images(
    loaded: LoadedModel,
    files: Sequence[Path],
    batch_size: int = 64,
    device: str = "cpu",
    progress: Callable[[Iterator], Iterator] = iter,
) -> np.ndarray:
    """Unit-norm image embeddings, float32 [n, embed_dim], in the order of `files`.

    Raises:
        InputError: a file is missing or is not a readable image; names the file.
    """
    model = loaded.model.to(device)
    batches = [files[i : i + batch_size] for i in range(0, len(files), batch_size)]
    embeddings = []
    with ThreadPoolExecutor() as pool, torch.inference_mode():
        for batch in progress(batches):
            pixels = torch.stack(list(pool.map(lambda f: _pixels(f, loaded.preprocess), batch)))
            features = model.encode_image(pixels.to(device), normalize=True)
            embeddings.append(features.float().cpu().numpy())
    return np.concatenate(embeddings)


def _pixels(file: Path, preprocess: Callable[[Image.Image], Tensor]) -> Tensor:
    return preprocess(open_picture(file))
