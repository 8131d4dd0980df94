"""A stored text tower against the hash in its description; needs no torch."""

from __future__ import annotations

import json
from pathlib import Path

from negtrace.errors import InputError
from negtrace.study.layout import TOWER_DESCRIPTION, TOWER_WEIGHTS
from negtrace.tables.store import sha256


def check_tower(folder: Path) -> None:
    """Hash a stored tower's weights: 0.1 s for a ViT-B, 2 s for the largest.

    Raises:
        InputError: the folder holds no tower, or not the weights that its description names.
    """
    remedy = "delete the folder and run again"
    weights = Path(folder) / TOWER_WEIGHTS
    try:
        recorded = json.loads((Path(folder) / TOWER_DESCRIPTION).read_text())
        intact = sha256(weights) == recorded["identity"]["tower_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: no readable text tower there ({error}); {remedy}") from error
    if not intact:
        raise InputError(f"{weights}: not the weights that {TOWER_DESCRIPTION} names; {remedy}")
