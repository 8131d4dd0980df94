"""Model sources: whether a model's entry means a local file, a local folder, the hub or a name.

Imported when Snakemake builds the job graph: standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from negtrace.study.extensions import is_code

# open_clip's own prefixes: configuration, tokenizer and weights lie together in such a place.
HUB = "hf-hub:"
FOLDER = "local-dir:"

ENDINGS = (".json", ".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".npz")

# What a folder of a model is made of.
MODEL_FILES = (*ENDINGS, ".txt", ".model", ".jinja")


def repository_of(architecture: str) -> str | None:
    """The hub's repository that an architecture names, or None."""
    return architecture.removeprefix(HUB) if architecture.startswith(HUB) else None


def folder_of(architecture: str) -> Path | None:
    """The local folder that an architecture names, or None."""
    return Path(architecture.removeprefix(FOLDER)) if architecture.startswith(FOLDER) else None


def brings_weights(architecture: str) -> bool:
    """Whether weights lie with the architecture, so that none need be named."""
    return architecture.startswith((HUB, FOLDER))


def is_repository(name: str) -> bool:
    """Whether a name is of the form ``owner/name``."""
    return re.fullmatch(r"[\w.-]+/[\w.-]+", name) is not None and ".." not in name


def is_path(name: str) -> bool:
    """Whether an architecture or weights entry means something local, not one of open_clip's names.

    Of ``local-dir:`` names, `local_path` is the folder.
    """
    if name.startswith(HUB):
        return False
    return name.startswith(FOLDER) or "/" in name or Path(name).suffix in ENDINGS


def local_path(name: str) -> Path:
    """The file or folder that an entry of which `is_path` holds means."""
    return Path(name.removeprefix(FOLDER))


def seeds(models: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, int]:
    """The model and those that differ from it in nothing but the key `seed`, with their seeds."""

    def rest(entry: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in entry.items() if key != "seed"}

    same = rest(models[name])
    return {other: e.get("seed", 0) for other, e in models.items() if rest(e) == same}


def model_files(entry: Mapping[str, Any]) -> list[str]:
    """All local files of a model's entry; of a folder, those that a model can be made of."""
    family = entry.get("family")
    found: list[str] = [family] if family and is_code(family) else []
    for key in ("architecture", "weights"):
        if is_path(entry.get(key) or ""):
            path = local_path(entry[key])
            if family and not path.exists():
                continue  # a name, which its code knows
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            found += [str(f) for f in files if not path.is_dir() or f.suffix in MODEL_FILES]
    return list(dict.fromkeys(found))
