"""Published numbers that ours are compared with: files in ``workflow/published``."""

from __future__ import annotations

import json
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "published"
PAPER = FOLDER / "quantmeyer2024.json"  # see `publication.read_published`
TOLERANCES = FOLDER / "tolerances.json"
OUTPUTS = FOLDER / "clip_vitb32.json"  # see `identity.read_golden`


def picture_urls() -> dict[str, str]:
    """Addresses of the pictures that published outputs are of, by their key."""
    urls: dict[str, str] = json.loads(OUTPUTS.read_text())["pictures"]
    return urls


def is_published(architecture: str, weights: str | None) -> bool:
    """Whether a model goes by the name of the one whose outputs are published."""
    published: dict[str, str] = json.loads(OUTPUTS.read_text())["model"]
    return published == {"architecture": architecture, "weights": weights}
