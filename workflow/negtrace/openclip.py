"""open_clip models: load one, cut out its text tower, encode images with the rest.

`model_specs.py` tells which model is meant, `checkpoints.py` what is in a file of weights.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from open_clip.transformer import Attention
from PIL import Image
from torch import Tensor, nn

from negtrace.activations import PLAIN, QUICK, check_activation, said_activation
from negtrace.alignment import Tokenizer
from negtrace.checkpoints import model_weights
from negtrace.configurations import OPEN_CLIP_FILE, Configuration, of_folder, read_configuration
from negtrace.errors import InputError
from negtrace.messages import one_line
from negtrace.model_sources import FOLDER, folder_of
from negtrace.model_specs import RANDOM, ModelSpec, configuration, preflight
from negtrace.preprocessing import preprocessing
from negtrace.tower import TextTower, TowerShape
from negtrace.weight_files import read_weight_file, weight_file


@dataclass(frozen=True)
class LoadedModel:
    """A model ready for use.

    Attributes:
        model: open_clip module in evaluation mode, float32, on the CPU.
        preprocess: PIL image to pixel tensor [3, height, width].
        tokenizer: how it cuts sentences into tokens.
        identity: architecture, weights, their hash, logit scale; kind of the checkpoint and what
            was changed in it; how pictures are prepared and who says so; activation, and under
            ``activation_assumed`` why it is a guess, where it is.
    """

    model: nn.Module
    preprocess: Callable[[Image.Image], Tensor]
    tokenizer: Tokenizer
    identity: dict[str, Any]


def load(
    spec: ModelSpec,
    checkpoint: Path | str | None = None,
    tokenizer: Path | str | None = None,
) -> LoadedModel:
    """Build a model in float32 and evaluation mode.

    Args:
        checkpoint: the file of a tag's weights, or of those of a model of the hub; without it
            open_clip downloads a tag's.
        tokenizer: as in `tokenizer_of`; holds the configuration of a model of the hub, too.

    Raises:
        InputError: as `preflight`, or the weights do not fit the architecture, or were trained
            with another activation.
    """
    name = preflight(spec)
    found = configuration(spec, tokenizer)
    logging.getLogger("open_clip").setLevel(logging.WARNING)
    tag = open_clip.get_pretrained_cfg(name, spec.weights) if spec.is_tag else {}
    path = None if spec.is_random else _checkpoint(spec, checkpoint, tag)
    pixels = preprocessing(found, tag, path, spec.preprocess)
    torch.manual_seed(spec.seed)
    model = _built(found, pixels.settings)
    identity = {
        "architecture": found.name,
        "weights": _shown_weights(spec, path),
        "seed": spec.seed if spec.is_random else None,
        "random": spec.is_random,
    }
    if path is not None:
        identity |= _fill(model, found, spec, path, bool(tag))
    model.eval().requires_grad_(False)
    identity |= {
        "weights_sha256": state_hash(model),
        "logit_scale": float(model.logit_scale.exp()),
        "activation": QUICK if found.quick_gelu else PLAIN,
        "preprocess": {**pixels.settings, "size": model.visual.preprocess_cfg["size"]},
        "preprocess_from": pixels.source,
    }
    preprocess = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)
    return LoadedModel(model, preprocess, tokenizer_of(spec.architecture, tokenizer), identity)


def _checkpoint(spec: ModelSpec, given: Path | str | None, tag: Mapping[str, Any]) -> Path:
    """The file of a model's weights."""
    if given is not None:
        return weight_file(Path(given))
    if tag:
        try:
            return Path(open_clip.download_pretrained(tag))
        except Exception as error:  # whatever the hub's client and urllib raise
            raise InputError(
                f"{spec.weights}: the weights cannot be downloaded ({one_line(error)})"
            ) from error
    return weight_file(Path(spec.weights) if spec.weights else folder_of(spec.architecture))


def _shown_weights(spec: ModelSpec, path: Path | None) -> str:
    if spec.is_random:
        return RANDOM
    return spec.weights if spec.is_tag else path.name


def _built(found: Configuration, pixels: Mapping[str, Any]) -> nn.Module:
    """A model with random weights, by open_clip's way of reading a folder.

    Raises:
        InputError: open_clip cannot build it from this configuration.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / OPEN_CLIP_FILE).write_text(json.dumps({"model_cfg": found.model}))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                logging.disable(logging.WARNING)  # it says that a folder without weights has none
                return open_clip.create_model(
                    f"{FOLDER}{folder}",
                    load_weights=False,
                    pretrained_image=False,
                    pretrained_text=False,
                    force_preprocess_cfg=dict(pixels),
                )
        except Exception as error:  # whatever a configuration's wrong keys and sizes raise
            raise InputError(
                f"{found.name}: open_clip cannot build this model ({one_line(error)}); correct its "
                "configuration"
            ) from error
        finally:
            logging.disable(logging.NOTSET)


def _fill(
    model: nn.Module, found: Configuration, spec: ModelSpec, path: Path, is_tag: bool
) -> dict[str, Any]:
    """Give a model the weights of a file; returns what is to be known of them."""
    file = read_weight_file(path)
    weights = model_weights(file, model, path)
    assumed = None
    if not is_tag:
        said = said_activation(path, file, found)
        assumed = check_activation(found, said, spec.quick_gelu, str(path))
    model.load_state_dict(weights.state)
    for note in weights.notes:
        logging.warning("%s: %s", path, note)
    if assumed:
        logging.warning("%s: assumed %s", path, assumed)
    return {
        "checkpoint": file.kind,
        "checkpoint_notes": weights.notes,
        "activation_assumed": assumed,
    }


def tokenizer_of(architecture: str, folder: Path | str | None = None) -> Tokenizer:
    """An architecture's tokenizer, without building the model.

    Args:
        folder: holds ``open_clip_config.json`` and the files of the Hugging Face tokenizer, if it
            has one (see `weights_download.fetch_weights`); without it open_clip downloads what it
            needs.

    Raises:
        InputError: it cannot be had, or is of an unknown kind.
    """
    found = of_folder(Path(folder), architecture) if folder else read_configuration(architecture)
    text = found.model["text_cfg"]
    options = {
        "context_length": text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH),
        **(text.get("tokenizer_kwargs") or {}),
    }
    try:
        # By its configuration, not by its name: open_clip would give SigLIP's to "my-siglip".
        if found.tokenizer is None:
            made: Any = open_clip.SimpleTokenizer(**options)
        else:
            made = open_clip.tokenizer.HFTokenizer(
                found.tokenizer, tokenizer_mode=text.get("tokenizer_mode"), **options
            )
    except ImportError as error:
        raise InputError(
            f"{found.name}: its tokenizer is a Hugging Face one; pip install transformers "
            f"({one_line(error)})"
        ) from error
    except Exception as error:  # whatever transformers raises about a tokenizer's files
        raise InputError(f"{found.name}: cannot load its tokenizer: {one_line(error)}") from error
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
    try:
        with Image.open(file) as image:
            return preprocess(image)
    except OSError as error:
        raise InputError(f"{file}: not a readable image ({error}); replace the file") from error
