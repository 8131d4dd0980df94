"""A text tower as two files: ``tower.safetensors`` (weights) and ``tower.json`` (all else).

Weights stand under negtrace's own names.  Loading maps them into memory and needs torch alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from negtrace.errors import InputError
from negtrace.models.tower import TextTower
from negtrace.models.tower_shape import TowerShape
from negtrace.study.places import TOWER_DESCRIPTION as SHAPE_FILE
from negtrace.study.places import TOWER_WEIGHTS as WEIGHTS_FILE


def save_tower(tower: TextTower, folder: Path) -> None:
    """Write a tower's two files into `folder`, each under a temporary name and then renamed."""
    from safetensors.torch import save

    from negtrace.tables.store import sha256, write_bytes, write_json

    folder.mkdir(parents=True, exist_ok=True)
    weights_path = folder / WEIGHTS_FILE
    write_bytes(
        save({name: w.detach().contiguous().cpu() for name, w in tower.weights.items()}),
        weights_path,
    )
    identity = {**tower.identity, "tower_sha256": sha256(weights_path)}
    write_json({"shape": asdict(tower.shape), "identity": identity}, folder / SHAPE_FILE)


def read_description(folder: Path) -> dict[str, Any]:
    """Shape and identity of a stored tower, without its weights.

    Raises:
        InputError: the folder holds no tower.
    """
    try:
        description: dict[str, Any] = json.loads((Path(folder) / SHAPE_FILE).read_text())
        return description
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: no readable text tower there ({error}); delete the folder and run again"
        ) from error


def load_tower(folder: Path, dtype: str = "float32", device: str = "cpu") -> TextTower:
    """Read a tower that `save_tower` wrote; weights are memory-mapped, not copied, where possible.

    Raises:
        InputError: the folder holds no tower, or a damaged one.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    description = read_description(folder)
    try:
        weights = load_file(folder / WEIGHTS_FILE, device=device)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{folder}: no readable text tower there ({error}); delete the folder and run again"
        ) from error
    tower = TextTower(TowerShape.from_json(description["shape"]), weights, description["identity"])
    wanted = getattr(torch, dtype)
    return tower if tower.dtype == wanted else tower.to(dtype=wanted)
