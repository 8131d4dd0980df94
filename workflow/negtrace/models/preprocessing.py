"""Preprocessing: how pictures become pixels, and who says so.

In this order: the model's entry in the configuration, the pretrained tag, the configuration that
lies with the weights, the published weights of the architecture where all agree; else as OpenAI's
CLIP, which is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from negtrace.errors import InputError
from negtrace.models.activations import configuration_beside
from negtrace.models.configurations import Configuration

# What a model's entry may say; the size is the image tower's.
KEYS = ("mean", "std", "interpolation", "resize_mode", "fill_color")


class Preprocessing(NamedTuple):
    """open_clip's ``preprocess_cfg`` without the size, and where it is from."""

    settings: dict[str, Any]
    source: str


def preprocessing(
    found: Configuration,
    tag: Mapping[str, Any],
    weights: Path | None,
    stated: Mapping[str, Any] | None,
) -> Preprocessing:
    """How a model's pictures are prepared.

    Args:
        found: the model's configuration.
        tag: open_clip's entry of the pretrained tag; empty without one.
        weights: file of the weights, or None.
        stated: `preprocess` of the model's entry.

    Raises:
        InputError: the entry has an unknown key or value.
    """
    beside = configuration_beside(weights, found) if weights and not tag else None
    choices = [
        (tag, "the pretrained tag"),
        (found.preprocess, "the model's configuration"),
        (beside.preprocess if beside else {}, "the configuration beside the weights"),
        (_published(found), "the architecture's published weights"),
        ({}, "OpenAI's CLIP (assumed)"),
    ]
    said, source = next((c for c in choices if _known(c[0])), choices[-1])
    from open_clip.transform import PreprocessCfg

    settings = {key: getattr(PreprocessCfg(), key) for key in KEYS} | _known(said)
    if stated:
        settings |= checked(stated)
        rest = "" if set(KEYS[:4]) <= set(stated) else f", else {source}"
        source = f"the model's entry ({', '.join(stated)}){rest}"
    return Preprocessing({key: _plain(value) for key, value in settings.items()}, source)


def checked(stated: Mapping[str, Any]) -> dict[str, Any]:
    """`preprocess` of a model's entry.

    Raises:
        InputError: it has an unknown key, or a mean or std that are no three numbers above 0.
    """
    unknown = [key for key in stated if key not in KEYS]
    if unknown:
        raise InputError(f"preprocess: unknown key {unknown[0]!r} (allowed: {', '.join(KEYS)})")
    for key in ("mean", "std"):
        values = stated.get(key, (0.5,) * 3)
        numbers = [v for v in values if isinstance(v, int | float) and (key == "mean" or v > 0)]
        if len(values) != 3 or len(numbers) != 3:
            raise InputError(f"preprocess.{key} is {values}: give three numbers, std above 0")
    return dict(stated)


def _known(said: Mapping[str, Any]) -> dict[str, Any]:
    return {key: said[key] for key in KEYS if said.get(key) is not None}


def _published(found: Configuration) -> dict[str, Any]:
    """What all published weights of an architecture agree on; empty if they do not, or none are."""
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(found.name) if found.builtin else []
    said = [_known(open_clip.get_pretrained_cfg(found.name, tag)) for tag in tags]
    return said[0] if said and all(other == said[0] for other in said) else {}


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
