"""Weights: the files that a model is made of, as one rule leaves them for the others."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from negtrace.study import places
from negtrace.tables.store import write_json


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


def write_weights(weights: Weights, path: Path) -> None:
    """Write what a model is made of; results among it by their path from `places.RESULTS` on."""
    write_json(asdict(_moved(weights, places.root_of(path), "")), path)


def read_weights(path: Path) -> Weights:
    """What `write_weights` wrote, wherever the results lie by now."""
    return _moved(Weights(**json.loads(path.read_text())), "", places.root_of(path))


def _moved(weights: Weights, old: str, new: str) -> Weights:
    """The same with another root before all paths of results."""

    def moved(file: str) -> str:
        within = file.startswith(f"{old}{places.RESULTS}/")
        return f"{new}{file.removeprefix(old)}" if within else file

    checkpoint, tokenizer = (
        file and moved(file) for file in (weights.checkpoint, weights.tokenizer)
    )
    urls = {moved(file): url for file, url in weights.urls.items()}
    return replace(weights, checkpoint=checkpoint, tokenizer=tokenizer, urls=urls)
