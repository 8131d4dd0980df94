"""Weight files: what a file of weights is, told from its content, and what it holds.

A folder, an index of shards, safetensors, a TorchScript archive and files of ``torch.save`` are
read; of anything else the kind is named.  `checkpoints.py` finds the model's weights in it.
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from negtrace.errors import InputError
from negtrace.messages import listed, one_line
from negtrace.models.safe_pickle import read_pickle

# In the order in which a folder is searched: open_clip's names come first.
PREFERRED = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
WEIGHT_ENDINGS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")

INDEX = "index of shards"
SAFETENSORS = "safetensors file"
TORCHSCRIPT = "TorchScript archive"
PICKLE = "file of torch.save"
BIG_VISION = "big_vision archive (npz)"

# Files that are no weights torch could read, by their first bytes.
FOREIGN = {
    b"version https://git-lfs": "a Git LFS pointer, not the weights; run `git lfs pull` in its "
    "repository, or download the file itself",
    b"\x89HDF": "an HDF5 file (TensorFlow, Keras); give the weights as safetensors or torch.save's",
    b"GGUF": "a GGUF file; give the weights as safetensors or torch.save's",
    b"\x1f\x8b": "a gzip file; unpack it and give the file inside",
    b"BZh": "a bzip2 file; unpack it and give the file inside",
    b"\xfd7zXZ": "an xz file; unpack it and give the file inside",
    b"7z\xbc\xaf": "a 7z archive; unpack it and give the file inside",
    b"<!DOCTYPE": "a web page, not the weights; download the file itself",
    b"<html": "a web page, not the weights; download the file itself",
}
SHARD = re.compile(r"-0*(\d+)-of-0*(\d+)\.")

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


def weight_file(path: Path) -> Path:
    """The file itself, or the one in a folder.

    Raises:
        InputError: there is none, or the folder has none or several that could be meant.
    """
    if not path.is_dir():
        return path
    for name in PREFERRED:
        if (path / name).is_file():
            return path / name
    found = sorted(file for file in path.iterdir() if file.suffix in WEIGHT_ENDINGS)
    if len(found) == 1:
        return found[0]
    which = listed(file.name for file in found)
    raise InputError(
        f"{path}: the folder has {'several files' if found else 'no file'} of weights"
        f"{f' ({which})' if found else ''}; name the file"
    )


def files_of(path: Path) -> list[Path]:
    """The file, and the shards that it is an index of.

    Raises:
        InputError: as `kind_of`, or it is an index and lacks a shard, or is a shard.
    """
    if kind_of(path) == INDEX:
        return [path, *_shards(path)]
    _refuse_shard(path)
    return [path]


def kind_of(path: Path) -> str:
    """What a file of weights is, told from its first bytes.

    Raises:
        InputError: it is none, and what it is instead.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); correct the path") from error
    if not head:
        raise InputError(f"{path}: the file is empty; download or save it again")
    for start, what in FOREIGN.items():
        if head.lower().startswith(start.lower()):
            raise InputError(f"{path}: this is {what}")
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**30:
        if int.from_bytes(head[:8], "little") + 8 > size:
            raise InputError(f"{path}: the safetensors file is cut off; download it again")
        return SAFETENSORS
    if head.lstrip()[:1] == b"{":
        return _kind_of_json(path)
    if head.startswith(b"\x80"):
        return PICKLE
    raise InputError(
        f"{path}: this is no file of weights; safetensors, torch.save's and TorchScript are read"
    )


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{path}: the file is cut off or damaged; download it again") from error
    if any("/code/" in name for name in names):
        return TORCHSCRIPT
    if any(name.endswith("/data.pkl") for name in names):
        return PICKLE
    if names and all(name.endswith(".npy") for name in names):
        return BIG_VISION
    raise InputError(f"{path}: this is a zip archive; unpack it and give the file of weights")


def _kind_of_json(path: Path) -> str:
    if "weight_map" in _json(path):
        return INDEX
    raise InputError(
        f"{path}: this is a JSON file, not weights; a configuration belongs under `architecture`"
    )


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: neither weights nor valid JSON; replace the file") from error
    return found if isinstance(found, dict) else {}


def _refuse_shard(path: Path) -> None:
    shard = SHARD.search(path.name)
    if shard and int(shard[2]) > 1:
        raise InputError(
            f"{path}: this is shard {shard[1]} of {shard[2]} of the weights; put all of them into "
            "one folder with their *.index.json, and give that file"
        )


def shard_names(index: Path) -> list[str]:
    """Names of the files that an index says the weights lie in.

    Raises:
        InputError: they are none, or not beside it.
    """
    names = _json(index).get("weight_map")
    values = list(names.values()) if isinstance(names, dict) else []
    if not values or not all(isinstance(n, str) and Path(n).name == n for n in values):
        raise InputError(f"{index}: its weight_map names no files beside it; download it again")
    return sorted(set(values))


def _shards(index: Path) -> list[Path]:
    shards = [index.parent / name for name in shard_names(index)]
    absent = [shard.name for shard in shards if not shard.is_file()]
    if absent:
        raise InputError(f"{index}: shards are missing beside it: {listed(absent)}; put them there")
    return shards


def read_weight_file(path: Path) -> WeightFile:
    """Read a file of weights.

    Raises:
        InputError: it is none that can be read; says what it is.
    """
    kind = kind_of(path)
    if kind != INDEX:
        _refuse_shard(path)
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
    for shard in _shards(index):
        content = _tensors(shard) if kind_of(shard) == SAFETENSORS else read_pickle(shard)[0]
        found |= content
    absent = sorted(set(_json(index)["weight_map"]) - set(found))
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
