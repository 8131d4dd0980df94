"""Weight reading: what a file of weights holds.

A folder, an index of shards, safetensors, a TorchScript archive and files of ``torch.save`` are
read; of anything else the kind is named.  `checkpoints.py` finds the model's weights in it.
"""

from __future__ import annotations

import re
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from negtrace.errors import InputError
from negtrace.messages import listed, one_line
from negtrace.models.safe_pickle import read_pickle
from negtrace.models.weight_files import (
    INDEX,
    PICKLE,
    SAFETENSORS,
    TORCHSCRIPT,
    kind_of,
    refuse_shard,
    shards_of,
    weight_map,
)

# QuickGELU's constant, as code spells it and as archives store it.
QUICK = 1.702
_QUICK_BYTES = {struct.pack(kind, QUICK) for kind in ("<d", "<f", "<e")}


@dataclass(frozen=True)
class WeightFile:
    """A file of weights that has been read.

    Attributes:
        kind: what it is, in words.
        content: tensors and whatever else, in nested containers.
        classes: full names of the classes in a pickle.
        activation: quick_gelu or gelu, where a program in the file says it.
    """

    kind: str
    content: Any
    classes: frozenset[str] = frozenset()
    activation: str | None = None


def read_weight_file(path: Path) -> WeightFile:
    """Read a file of weights.

    Raises:
        InputError: it is none that can be read; says what it is.
    """
    kind = kind_of(path)
    if kind != INDEX:
        refuse_shard(path)
    try:
        if kind == SAFETENSORS:
            return WeightFile(kind, _tensors(path))
        if kind == TORCHSCRIPT:
            program = torch.jit.load(path, map_location="cpu")
            return WeightFile(kind, dict(program.state_dict()), activation=_said_in_code(path))
        if kind == INDEX:
            return WeightFile(kind, _of_shards(path))
        if kind == PICKLE:
            return WeightFile(kind, *read_pickle(path))
    except InputError:
        raise
    except Exception as error:  # whatever a damaged or foreign file makes a reader raise
        raise InputError(
            f"{path}: this {kind} cannot be read ({one_line(error)}); download or save it again"
        ) from error
    return WeightFile(kind, {})


def _of_shards(index: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for shard in shards_of(index):
        content = _tensors(shard) if kind_of(shard) == SAFETENSORS else read_pickle(shard)[0]
        found |= content
    absent = sorted(set(weight_map(index)) - set(found))
    if absent:
        raise InputError(f"{index}: its shards lack {listed(absent)}; download them again")
    return found


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(
            f"{path}: the safetensors file is damaged ({one_line(error)}); download it again"
        ) from error


def _said_in_code(path: Path) -> str | None:
    """The activation that an archive's program computes, if it can be told."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        code = " ".join(
            archive.read(member).decode(errors="replace")
            for member in members
            if "/code/" in member.filename and member.filename.endswith(".py")
        )
        constants = {
            archive.read(member)
            for member in members
            if "/constants/" in member.filename and member.file_size <= 8
        }
    if str(QUICK) in code or constants & _QUICK_BYTES:
        return "quick_gelu"
    return "gelu" if re.search(r"\bgelu\(", code) else None
