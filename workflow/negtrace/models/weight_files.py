"""Weight files: where a model's weights lie, and what kind of file that is, by its first bytes.

Loads no library of tensors: `weight_reading.py` reads what is in them.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from negtrace.errors import InputError
from negtrace.messages import listed

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
        return [path, *shards_of(path)]
    refuse_shard(path)
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


def refuse_shard(path: Path) -> None:
    """Refuse one file of several that are one model's weights."""
    shard = SHARD.search(path.name)
    if shard and int(shard[2]) > 1:
        raise InputError(
            f"{path}: this is shard {shard[1]} of {shard[2]} of the weights; put all of them into "
            "one folder with their *.index.json, and give that file"
        )


def weight_map(index: Path) -> dict[str, str]:
    """Weights of an index, and the names of the files that it says they lie in.

    Raises:
        InputError: they are none, or not beside it.
    """
    names = _json(index).get("weight_map")
    values = list(names.values()) if isinstance(names, dict) else []
    if not values or not all(isinstance(n, str) and Path(n).name == n for n in values):
        raise InputError(f"{index}: its weight_map names no files beside it; download it again")
    return dict(names or {})


def shard_names(index: Path) -> list[str]:
    """Names of the files that an index says the weights lie in; raises as `weight_map`."""
    return sorted(set(weight_map(index).values()))


def shards_of(index: Path) -> list[Path]:
    """The files that an index says the weights lie in.

    Raises:
        InputError: as `weight_map`, or one is missing.
    """
    shards = [index.parent / name for name in shard_names(index)]
    absent = [shard.name for shard in shards if not shard.is_file()]
    if absent:
        raise InputError(f"{index}: shards are missing beside it: {listed(absent)}; put them there")
    return shards
