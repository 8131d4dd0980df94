"""open_clip models: find one's architecture and weights, and load it.

`model_specs.py` tells which model is meant, `checkpoints.py` what is in a file of weights.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch import Tensor, nn

from negtrace.errors import InputError
from negtrace.messages import one_line
from negtrace.models.activations import PLAIN, QUICK, check_activation, said_activation
from negtrace.models.alignment import Tokenizer
from negtrace.models.checkpoints import model_weights
from negtrace.models.configurations import (
    OPEN_CLIP_FILE,
    Configuration,
    of_folder,
    read_configuration,
)
from negtrace.models.model_specs import RANDOM, ModelSpec, configuration, preflight
from negtrace.models.open_clip_tokenizers import as_tokenizer
from negtrace.models.preprocessing import preprocessing
from negtrace.models.tower import TextTower
from negtrace.models.weight_files import weight_file
from negtrace.models.weight_reading import read_weight_file
from negtrace.study.model_sources import FOLDER, local_path


@dataclass(frozen=True)
class LoadedModel:
    """A model ready for use.

    Attributes:
        model: open_clip module, or one with its `encode_text`, `encode_image` and `logit_scale`, in
            evaluation mode, float32, on the CPU.
        preprocess: PIL image to pixel tensor [3, height, width].
        tokenizer: how it cuts sentences into tokens.
        identity: architecture, weights, their hash, logit scale; kind of the checkpoint and what
            was changed in it; how pictures are prepared and who says so; activation, and under
            ``activation_assumed`` why it is a guess, where it is.
        tower: the text tower of a model whose text encoder is not built as open_clip's are.
    """

    model: CLIP
    preprocess: Callable[[Image.Image], Tensor]
    tokenizer: Tokenizer
    identity: dict[str, Any]
    tower: Callable[[nn.Module], TextTower] | None = None


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
    identity: dict[str, Any] = {
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
    return weight_file(Path(spec.weights) if spec.weights else local_path(spec.architecture))


def _shown_weights(spec: ModelSpec, path: Path | None) -> str:
    if path is None:
        return RANDOM
    return spec.weights if spec.weights and spec.is_tag else path.name


def _built(found: Configuration, pixels: Mapping[str, Any]) -> CLIP:
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
    model: CLIP, found: Configuration, spec: ModelSpec, path: Path, is_tag: bool
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


def state_hash(model: nn.Module) -> str:
    """sha256 over the names, shapes and bytes of all weights, independent of the file format."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(weight.shape)}{weight.dtype}".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
