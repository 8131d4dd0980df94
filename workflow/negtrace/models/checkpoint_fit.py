"""Checkpoint fit: weights of one copy of a model under the names and in the shapes it has here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict, resize_pos_embed
from torch import Tensor, nn

from negtrace.errors import InputError
from negtrace.messages import listed
from negtrace.models import hugging_face_models

# What torch puts around modules, anywhere in a name.
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}

# Numbers that are stored with weights and are none.
NOT_WEIGHTS = {"input_resolution", "context_length", "vocab_size"}

LARGEST_LOG_SCALE = 10.0  # exp of it is 22,026; models keep 100


@dataclass
class Weights:
    """A model's weights from a file.

    Attributes:
        state: under open_clip's names, ready for ``load_state_dict``.
        prefix: what stood before every name, wrappers' keys included.
        notes: what was taken, left out or changed, in words.
    """

    state: dict[str, Tensor]
    prefix: str = ""
    notes: list[str] = field(default_factory=list)


def fitted(state: Mapping[str, Tensor], model: nn.Module) -> Weights:
    """Weights under the model's names.

    Raises:
        InputError: names or shapes are not the model's, or a weight is not a finite number.
    """
    found = Weights(_unwrapped(state, model))
    if hugging_face_models.is_hugging_face(found.state):
        found.state = hugging_face_models.as_open_clip(found.state)
        found.notes.append("changed Hugging Face's names to open_clip's")
    found.state = convert_state_dict(model, found.state)
    if hasattr(model, "text"):
        if "token_embedding.weight" in found.state:
            found.state = _with_text(found.state)
    else:
        found.state = {name.removeprefix("text."): w for name, w in found.state.items()}
    _drop_masks(found, model)
    _settle_scalars(found, model)
    _settle_positions(found, model)
    _compare(found.state, model.state_dict())
    _check_numbers(found.state)
    return found


def _with_text(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    linear = {n: w for n, w in state.items() if n.startswith("text_projection.")}
    rest: dict[str, Tensor] = convert_to_custom_text_state_dict({"text_projection": None, **state})
    if "text_projection" not in state:
        del rest["text.text_projection"]
    return rest | {f"text.{name}": weight for name, weight in linear.items()}


def _unwrapped(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Weights without torch's wrappers inside their names."""
    wrappers = WRAPPERS - {part for name in model.state_dict() for part in name.split(".")}
    found: dict[str, Tensor] = {}
    for name, weight in state.items():
        plain = ".".join(part for part in name.split(".") if part not in wrappers)
        if plain in found and not torch.equal(found[plain], weight):
            raise InputError(
                f"it has {plain} twice, with and without a wrapper ({name}); save one state dict"
            )
        found[plain] = weight
    return found


def _drop_masks(found: Weights, model: nn.Module) -> None:
    """Leave out what scripting and older versions store; a causal mask has to be the model's."""
    own = dict(model.named_buffers())
    for name in list(found.state):
        if name in NOT_WEIGHTS or name.endswith("position_ids"):
            del found.state[name]
        elif name.rpartition(".")[2] == "attn_mask":
            mask, mine = found.state.pop(name), own.get(name)
            if mine is None or mine.shape != mask.shape or not torch.equal(mine, mask.to(mine)):
                raise InputError(f"its attention mask ({name}) is not that of the architecture")


def _settle_scalars(found: Weights, model: nn.Module) -> None:
    """Logit scale and bias in the model's shape; a bias changes no difference of scores."""
    state, own = found.state, model.state_dict()
    if "logit_bias" in state and "logit_bias" not in own:
        del state["logit_bias"]
        found.notes.append("left out logit_bias, which the architecture has not and which cancels")
    if "logit_bias" in own and "logit_bias" not in state:
        state["logit_bias"] = torch.zeros_like(own["logit_bias"])
        found.notes.append("set logit_bias, which cancels, to 0")
    for name in ("logit_scale", "logit_bias"):
        if name in state and name in own and state[name].numel() == own[name].numel() == 1:
            state[name] = state[name].reshape(own[name].shape)
    for name in own:
        if name.endswith("num_batches_tracked") and name not in state:
            state[name] = own[name]  # counts training steps, and no more


def _settle_positions(found: Weights, model: nn.Module) -> None:
    """Positions of the image tower are interpolated for another image size, and that is said."""
    key = "visual.positional_embedding"
    stored, own = found.state.get(key), model.state_dict().get(key)
    if stored is None or own is None or stored.ndim != 2 or stored.shape == own.shape:
        return
    side = round((len(stored) - 1) ** 0.5)
    if stored.shape[1] == own.shape[1] and side * side + 1 == len(stored) and side > 0:
        resize_pos_embed(found.state, model)
        found.notes.append(
            f"interpolated {key} from {len(stored)} to {len(own)} rows, for another image size"
        )


def _compare(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    positions = next(
        (n for n in own if n in ("positional_embedding", "text.positional_embedding")), ""
    )
    if positions in state and state[positions].ndim == 2:
        rows, mine = len(state[positions]), len(own[positions])
        if rows != mine:
            raise InputError(
                f"its {positions} has {rows} rows, the architecture {mine}; give a configuration "
                f"of your own with text_cfg.context_length {rows} (one less with a class token)"
            )
    missing = [name for name in own if name not in state]
    unknown = [name for name in state if name not in own]
    shapes = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    faults = [
        f"{what} {listed(names, most)}"
        for what, names, most in (
            ("it lacks", missing, 4),
            ("it has in addition", unknown, 4),
            ("of another shape are", shapes, 2),
        )
        if names
    ]
    if faults:
        raise InputError(
            f"the weights do not fit the architecture: {'; '.join(faults)}; choose the "
            "architecture that they were trained in, or write a configuration of your own"
        )


def _check_numbers(state: Mapping[str, Tensor]) -> None:
    for name, weight in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        if not weight.is_floating_point() or weight.is_sparse or weight.is_meta:
            raise InputError(
                f"{name} is stored as {weight.dtype}, not as floating-point numbers (quantised?); "
                "save the model in float32"
            )
        if not torch.isfinite(weight.float()).all():
            raise InputError(f"{name} holds NaN or infinite values; save the weights again")
    scale = state["logit_scale"].float()
    if scale.max() > LARGEST_LOG_SCALE:
        raise InputError(
            f"logit_scale is {scale.max().item():g}, but its exponential is what multiplies "
            "cosines; it seems to be stored as the factor: save its logarithm"
        )
