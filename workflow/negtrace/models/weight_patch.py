"""Weight patch: an edit of a text tower as a small safetensors file, for open_clip's own models.

Tensors are ``blocks.{b}.head_scales`` [heads], a factor for every head of a block, and
``states.{l}.added`` [width], a vector for hidden state l at all positions.  The metadata name the
weights that it is for::

    from negtrace.models.weight_patch import apply_patch

    with apply_patch(model, "mending.heads.safetensors"):
        model.encode_text(tokens)      # the edited model; behind the block it is as it was

or ``patch = apply_patch(...)`` for good, until ``patch.undo()``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from negtrace.errors import InputError
from negtrace.messages import one_line
from negtrace.models.tower import TextTower
from negtrace.models.weight_edits import Edit, head_columns, weights_sha256

FORMAT = "negtrace weight patch 1"


def patch_bytes(tower: TextTower, edit: Edit, about: Mapping[str, Any]) -> bytes:
    """An edit as the content of a patch file.

    Args:
        tower: the tower that it is for, unedited and in the precision of its weights.
        about: how the edit came about, for whoever reads the file.
    """
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    for (block, head), factor in edit.scales.items():
        scales = tensors.setdefault(f"blocks.{block}.head_scales", torch.ones(tower.shape.heads))
        scales[head - 1] = factor
    for state, vector in edit.added.items():
        tensors[f"states.{state}.added"] = vector.detach().float().cpu().contiguous()
    shape = {name: getattr(tower.shape, name) for name in ("layers", "heads", "width")}
    described = {"weights_sha256": weights_sha256(tower), "shape": shape, "about": dict(about)}
    # One entry: several would be written in another order every time.
    return save(tensors, {FORMAT: json.dumps(described, sort_keys=True)})


def read_patch(file: Path | str) -> tuple[Edit, dict[str, Any]]:
    """The edit of a patch file, and its metadata.

    Raises:
        InputError: it is no such file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="pt") as opened:
            described = (opened.metadata() or {}).get(FORMAT)
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"{file}: no readable patch ({one_line(error)})") from error
    if described is None:
        raise InputError(f"{file}: no weight patch of this version of negtrace")
    scales, added = {}, {}
    for name, tensor in tensors.items():
        _, number, what = name.split(".")
        if what == "added":
            added[int(number)] = tensor
        else:
            for head, factor in enumerate(tensor.tolist(), start=1):
                if factor != 1:
                    scales[int(number), head] = factor
    return Edit(scales, added), json.loads(described)


class AppliedPatch:
    """A patch that a model has; as a context manager it is undone at the end."""

    def __init__(self) -> None:
        self._before: list[tuple[Tensor, Tensor]] = []

    def change(self, weight: Tensor, values: Tensor) -> None:
        """Put values in a weight's place, and keep what it was."""
        self._before.append((weight, weight.detach().clone()))
        with torch.no_grad():
            weight.copy_(values)

    def undo(self) -> None:
        """Give the model back its own weights, bit by bit."""
        with torch.no_grad():
            while self._before:
                weight, before = self._before.pop()
                weight.copy_(before)

    def __enter__(self) -> AppliedPatch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.undo()


def apply_patch(model: nn.Module, file: Path | str) -> AppliedPatch:
    """Edit the text tower of an open_clip model as a patch file says.

    Args:
        model: an open_clip model with a text tower of its own; its weights are changed in place.
        file: what a study's mending wrote.

    Raises:
        InputError: no patch, or one for other weights: another model, another precision, or a
            model that has a patch already.
    """
    from open_clip.hf_model import HFTextEncoder

    from negtrace.models.open_clip_structure import text_module
    from negtrace.models.open_clip_tower import text_tower

    edit, made = read_patch(file)
    tower = text_tower(model)
    text = text_module(model)
    if isinstance(text, HFTextEncoder):
        raise InputError(f"{file}: a text tower of transformers cannot be patched; use open_clip's")
    for name, value in made["shape"].items():
        if (own := getattr(tower.shape, name)) != value:
            raise InputError(f"{file}: is for a text tower with {name} {value}; this one has {own}")
    if weights_sha256(tower) != made["weights_sha256"]:
        raise InputError(
            f"{file}: is for other weights than the model's text tower has: load the model that it "
            "was made for, in float32 and without a patch"
        )
    applied = AppliedPatch()
    blocks = text.transformer.resblocks
    for (number, head), factor in edit.scales.items():
        weight = blocks[number - 1].attn.out_proj.weight
        scales = torch.ones_like(weight)
        scales[:, head_columns(head, tower.shape.head_width)] = factor
        applied.change(weight, weight * scales)
    for state, vector in edit.added.items():
        block = blocks[state - 1]
        bias = block.mlp.c_proj.bias
        # What LayerScale multiplies the bias by.
        gamma = getattr(block.ls_2, "gamma", bias.new_ones(()))
        if not gamma.all():
            raise InputError(
                f"{file}: block {state} has a LayerScale of 0, behind which nothing adds"
            )
        applied.change(bias, bias + vector.to(bias) / gamma)
    return applied
