"""Weights: the files that a model is made of, as one rule leaves them for the others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Weights:
    """What a model is made of.

    Attributes:
        checkpoint: path of its weights; None for random ones.
        sha256: of that file; of an index, over all its shards.
        tokenizer: folder with its ``open_clip_config.json`` and the files of its Hugging Face
            tokenizer; None where open_clip or a file of the user's has both.
        urls: where each downloaded file came from, by path; files under such a name belong into
            a mirror (see `downloads.mirror_path`).
    """

    checkpoint: str | None
    sha256: str | None
    tokenizer: str | None
    urls: dict[str, str]


def read_weights(path: Path) -> Weights:
    """What `fetch_weights` returned, from the JSON file it was written to."""
    return Weights(**json.loads(path.read_text()))
