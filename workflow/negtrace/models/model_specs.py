"""Model specs: which model an entry of the configuration means, checked before anything is loaded.

`preflight` decides from the configuration alone, before any weight is loaded or downloaded,
whether there is such a model and its text tower has the structure that `tower.py` describes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from negtrace.errors import InputError
from negtrace.messages import did_you_mean, listed, one_line
from negtrace.models.configurations import (
    Configuration,
    read_configuration,
    with_text_model,
)
from negtrace.models.preprocessing import checked
from negtrace.models.refusals import check_vocabulary, refusal
from negtrace.models.weight_files import PREFERRED, weight_file
from negtrace.study.model_sources import (
    brings_weights,
    is_repository,
    local_path,
    repository_of,
)

RANDOM = "random"


@dataclass(frozen=True)
class ModelSpec:
    """Which model: an entry of `models:` in the configuration.

    Attributes:
        architecture: an open_clip architecture name; the path of a configuration (recognised by
            its ``.json`` ending, see `configurations.py`); or ``hf-hub:owner/name`` or
            ``local-dir:/folder``, where weights lie with it.
        weights: ``random``, one of open_clip's pretrained tags, the path of a checkpoint or of a
            folder with one.  None: those that lie with the architecture; else random.
        seed: seed of the random weights; ignored for others.
        preprocess: how pictures are prepared, where the weights do not say it (see
            `preprocessing.KEYS`).
        quick_gelu: what the weights were trained with, where they do not say it.
        family: code that loads it in open_clip's place (see `families.py`), to which the other
            keys mean what it takes them for.
        options: more that the family is told.
        installed: package and version of a family that is an entry point.
    """

    architecture: str
    weights: str | None = None
    seed: int = 0
    preprocess: Mapping[str, Any] | None = None
    quick_gelu: bool | None = None
    family: str | None = None
    options: Mapping[str, Any] | None = None
    installed: str | None = None

    @property
    def is_random(self) -> bool:
        return self.weights == RANDOM or (self.weights is None and not self.brings_weights)

    @property
    def brings_weights(self) -> bool:
        """Whether the weights are those that lie with the architecture."""
        return self.weights is None and brings_weights(self.architecture)

    @property
    def is_tag(self) -> bool:
        """Whether the weights are one of open_clip's tags."""
        if self.weights is None or self.weights == RANDOM:
            return False
        return not Path(self.weights).exists()


def configuration(spec: ModelSpec, folder: Path | str | None = None) -> Configuration:
    """A model's configuration, checked, with the entry's `quick_gelu` in it.

    Args:
        folder: of a model of the hub, see `configurations.read_configuration`.

    Raises:
        InputError: there is none, or its text tower cannot be traced.
    """
    found = with_text_model(read_configuration(spec.architecture, folder), folder)
    reason = refusal(found.model)
    if reason:
        raise InputError(f"{found.name} cannot be traced: {reason}; choose another architecture")
    check_vocabulary(found)
    if spec.quick_gelu is not None:
        found = replace(found, model={**found.model, "quick_gelu": spec.quick_gelu})
    if spec.preprocess:
        checked(spec.preprocess)
    return found


def preflight(spec: ModelSpec) -> str:
    """Check a model before anything is loaded or downloaded; returns its architecture's name.

    Of a model of the hub only the name's form can be checked.

    Raises:
        InputError: unknown architecture or weights, or a text tower that cannot be traced.
    """
    repository = repository_of(spec.architecture)
    if repository is not None:
        if not is_repository(repository):
            raise InputError(f"{spec.architecture}: write it as hf-hub:owner/name")
        if spec.is_tag:
            raise InputError(_no_weights(spec.architecture, spec.weights, []))
        return spec.architecture
    found = configuration(spec)
    if spec.brings_weights:
        weight_file(local_path(spec.architecture))
    if spec.is_tag:
        _check_tag(found, spec)
    return found.name


def _check_tag(found: Configuration, spec: ModelSpec) -> None:
    import open_clip

    name = found.name
    tags = open_clip.list_pretrained_tags_by_model(name)
    if spec.weights not in tags:
        raise InputError(_no_weights(name, spec.weights, tags))
    quick = bool(open_clip.get_pretrained_cfg(name, spec.weights).get("quick_gelu"))
    if quick != found.quick_gelu:
        words = "QuickGELU" if quick else "GELU"
        other = f"{name}-quickgelu" if quick else name.removesuffix("-quickgelu")
        remedy = (
            "drop quick_gelu" if spec.quick_gelu is not None else f"use the architecture {other}"
        )
        raise InputError(
            f"{name}: the weights {spec.weights!r} were trained with {words}; {remedy}"
        )


def _no_weights(name: str, weights: object, tags: list[str]) -> str:
    hint = did_you_mean(weights, tags)
    return (
        f"{name}: {one_line(weights)!r} is neither a file or folder nor one of its pretrained "
        f"weights{hint} ({listed(tags) or 'none known'}); 'random' gives seeded random weights"
    )


@dataclass(frozen=True)
class Pretrained:
    """Where open_clip's pretrained weights of one tag, and a tokenizer's files, can be had.

    Attributes:
        repository: of the Hugging Face hub; None if the weights are not there.
        names: file names to look for in the repository, in this order.
        url: of a checkpoint elsewhere, or None.
        tokenizer: repository of a Hugging Face tokenizer, or None.
    """

    repository: str | None
    names: tuple[str, ...]
    url: str | None
    tokenizer: str | None


def pretrained(spec: ModelSpec, folder: Path | str | None = None) -> Pretrained:
    """Sources of a model's files; empty ones where nothing has to be downloaded.

    Args:
        folder: with the configuration of a model of the hub.

    Raises:
        InputError: as `preflight`.
    """
    name = preflight(spec)
    tokenizer = configuration(spec, folder).tokenizer
    if tokenizer is not None and Path(tokenizer).is_dir():
        tokenizer = None
    repository = repository_of(spec.architecture)
    if repository is not None:
        return Pretrained(repository, PREFERRED if spec.brings_weights else (), None, tokenizer)
    tag: Mapping[str, Any] = {}
    if spec.is_tag:
        import open_clip

        tag = open_clip.get_pretrained_cfg(name, spec.weights)
    repository, _, file = tag.get("hf_hub", "").rpartition("/")
    # A hub entry without a file name means open_clip's usual names; safetensors come first.
    names = (file,) if file else ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    if Path(file).suffix in (".bin", ".pth"):
        names = (f"{file[:-4]}.safetensors", file)
    return Pretrained(repository or None, names, tag.get("url") or None, tokenizer)
