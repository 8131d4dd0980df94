"""Checkpoints: a model's weights among all that training code stores.

1. Everything in the file becomes one flat mapping of dotted names to tensors, so that a wrapper
   (``{"state_dict": ...}``) and a prefix (``module.``) are the same thing.
2. The text tower's last LayerNorm marks a copy of the model: what stands before its name is the
   copy's prefix.
3. One copy has to fit the architecture: names and shapes, after the wrappers of torch are taken
   out and Hugging Face's names are changed to open_clip's.  An average of weights (EMA) beside
   the plain ones yields to them.
4. What else the file holds has to be of no importance to the model (an optimizer's state, a loss).

Whatever is ambiguous or left over is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip.convert import load_big_vision_weights
from torch import Tensor, nn

from negtrace.errors import InputError
from negtrace.messages import listed, one_line
from negtrace.models.checkpoint_fit import WRAPPERS, Weights, fitted
from negtrace.models.hugging_face_models import TEXT_END
from negtrace.models.weight_files import BIG_VISION
from negtrace.models.weight_reading import WeightFile

# A copy of the model has one of them: open_clip's, Hugging Face's, MobileCLIP's own.  A text tower
# of BERT's kind has its last LayerNorm in a block, and the embeddings' marks it.
ANCHORS = ("ln_final.weight", TEXT_END, "text_encoder.final_layer_norm.weight")
_ANCHOR = re.compile(
    r"(?:^|(?<=\.))(?:ln_final|text_model\.final_layer_norm|text_encoder\.final_layer_norm"
    r"|transformer\.embeddings\.LayerNorm)\."
    rf"(?:(?:{'|'.join(sorted(WRAPPERS))})\.)*weight$"
)

# Averaged copies, and what else is stored beside the weights, by parts of their names.
AVERAGED = re.compile(
    r"(^|[._])(ema|averaged?|swa|shadow|teacher|momentum|target)\w*", re.IGNORECASE
)
BESIDE = re.compile(
    r"(^|[._])(optim|opt$|opt\.|sched|lr_|scaler|amp|rng|random|callback|loop|hyper_?param|loss"
    r"|criterion|metric|best|n_averaged|state$)\w*",
    re.IGNORECASE,
)


def model_weights(file: WeightFile, model: nn.Module, where: Path) -> Weights:
    """The weights in a file that fit a model.

    Args:
        model: of the architecture; its own weights do not matter.
        where: the file, to name it.

    Raises:
        InputError: no copy of the model or several different ones are in the file, or it does not
            fit; names at most ten weights.
    """
    if file.kind == BIG_VISION:
        return _of_big_vision(model, where)
    flat = dict(_flat(file.content))
    copies = _copies(flat)
    if not copies:
        raise InputError(f"{where}: {_without_model(flat, file)}")
    fitting, faults = {}, {}
    for prefix, state in copies.items():
        try:
            fitting[prefix] = fitted(state, model)
        except InputError as error:
            faults[prefix] = error
    if not fitting:
        prefix = min(faults, key=lambda name: (bool(AVERAGED.search(name)), len(name)))
        raise InputError(f"{where} ({file.kind}): {faults[prefix]}")
    found = _chosen(fitting, where)
    others = [name for name in copies if name != found.prefix]
    unknown = [
        prefix + name
        for prefix in ("", *others)
        if prefix not in fitting
        for name, weight in _outside(flat, copies, prefix).items()
        if _is_weight(prefix + name, weight)
    ]
    if unknown:
        raise InputError(
            f"{where} ({file.kind}): beside the model's weights it has {listed(unknown)}, which "
            "the architecture has not; merge or remove them, and save the state dict alone"
        )
    if found.prefix:
        found.notes.insert(0, f"took {found.prefix!r} off every name")
    if others:
        found.notes.append(f"left out the copies under {listed(others)}")
    return found


def _flat(content: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """(dotted name, tensor) of all tensors in nested containers and pickled modules."""
    if isinstance(content, np.ndarray) and content.dtype.kind == "f":
        content = torch.from_numpy(content)
    if isinstance(content, Tensor):
        yield prefix.removesuffix("."), content.detach()
    elif isinstance(content, Mapping):
        for name, value in {**content, **_of_module(content)}.items():
            yield from _flat(value, f"{prefix}{name}.")
    elif isinstance(content, list | tuple) and not isinstance(content, torch.Size):
        for number, value in enumerate(content):
            yield from _flat(value, f"{prefix}{number}.")


def _of_module(content: Mapping[str, Any]) -> dict[str, Any]:
    """Weights and parts of a pickled module, which has been read as a record."""
    inside = getattr(content, "__dict__", {})
    skipped = inside.get("_non_persistent_buffers_set") or ()
    found: dict[str, Any] = {}
    for kind in ("_parameters", "_buffers", "_modules"):
        found |= inside.get(kind) or {}
    return {name: value for name, value in found.items() if name not in skipped}


def _copies(flat: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The weights of every copy of the model, by prefix; a weight is of the longest that fits."""
    prefixes = set()
    for name in flat:
        if anchor := _ANCHOR.search(name):
            prefixes.add(_before_text(name[: anchor.start()]))
    copies: dict[str, dict[str, Tensor]] = {prefix: {} for prefix in prefixes}
    for name, weight in flat.items():
        fits = [prefix for prefix in prefixes if name.startswith(prefix)]
        if fits:
            prefix = max(fits, key=len)
            copies[prefix][name.removeprefix(prefix)] = weight
    return copies


def _before_text(prefix: str) -> str:
    """The prefix of a model from that of its text tower, which CoCa's decoder does not have."""
    parts = prefix.removesuffix(".").split(".") if prefix else []
    while parts and parts[-1] in WRAPPERS and "text" in parts:
        parts.pop()  # a wrapper inside the model, around its text tower
    if parts and parts[-1] in ("text", "text_decoder"):
        parts.pop()
    return "".join(f"{part}." for part in parts)


def _outside(
    flat: Mapping[str, Tensor], copies: Mapping[str, Mapping[str, Tensor]], prefix: str
) -> dict[str, Tensor]:
    """Weights of a copy; for no prefix those of none."""
    if prefix in copies:
        return dict(copies[prefix])
    inside = {name + rest for name, state in copies.items() for rest in state}
    return {name: weight for name, weight in flat.items() if name not in inside}


def _is_weight(name: str, weight: Tensor) -> bool:
    """Whether something beside the model changes what it computes, as far as names tell."""
    if AVERAGED.search(name) or BESIDE.search(name) or not weight.is_floating_point():
        return False
    of_module = re.search(r"\.(weight|bias)$|(^|[._])lora_", name)
    return bool(of_module) or ("." in name and weight.ndim > 1)


def _chosen(fitting: Mapping[str, Weights], where: Path) -> Weights:
    """The one copy that is meant: plain before averaged."""
    plain = [prefix for prefix in fitting if not AVERAGED.search(prefix)]
    first, *rest = sorted(plain or fitting, key=lambda name: (len(name), name))
    for other in rest:
        if not _equal(fitting[first].state, fitting[other].state):
            raise InputError(
                f"{where}: two different copies of the model are in the file, under {first!r} and "
                f"{other!r}; save the one that you mean to a file of its own"
            )
    found = fitting[first]
    found.prefix = first
    return found


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


def _without_model(flat: Mapping[str, Tensor], file: WeightFile) -> str:
    """What a file is that holds no copy of a CLIP."""
    if not flat:
        return f"this {file.kind} holds no weights; save the model's state dict"
    if any(re.search(r"exp_avg|momentum_buffer", name) for name in flat):
        return (
            f"this {file.kind} holds the state of an optimizer, not the model's weights; give the "
            "file of the model"
        )
    text = f"no text tower of a CLIP (no {ANCHORS[0]}, nor {ANCHORS[1]})"
    if any("lora_" in name for name in flat):
        return f"this {file.kind} is an adapter (LoRA); merge it into the model and save that"
    return f"this {file.kind} has {text}, but {listed(flat)}; give the weights of the whole model"


def _of_big_vision(model: nn.Module, where: Path) -> Weights:
    try:
        load_big_vision_weights(model, str(where))
    except Exception as error:  # whatever a foreign archive makes open_clip's own reader raise
        raise InputError(
            f"{where}: this {BIG_VISION} does not fit the architecture ({one_line(error)})"
        ) from error
    return Weights(dict(model.state_dict()))
