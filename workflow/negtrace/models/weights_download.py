"""Fetch a model's checkpoint, configuration and tokenizer, so that later jobs need no network.

Random weights and local files need nothing; of the latter the hash is recorded all the same, and
what can be told from their first bytes is told here, before anything is computed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from negtrace.errors import InputError
from negtrace.fetching.downloads import Downloads
from negtrace.fetching.files import fetch_file
from negtrace.fetching.hub import model_url
from negtrace.fetching.hub_repository import HUB_ERRORS, fetch_repository, remedy
from negtrace.messages import one_line
from negtrace.models.configurations import HUGGING_FACE_FILE, OPEN_CLIP_FILE, TEXT_MODEL
from negtrace.models.model_specs import ModelSpec, Pretrained, configuration, preflight, pretrained
from negtrace.models.weight_files import INDEX, files_of, kind_of, shard_names, weight_file
from negtrace.models.weights import Weights
from negtrace.study.model_sources import local_path, repository_of
from negtrace.tables.store import sha256, sha256_of_files, write_json

TOKENIZER_FILES = ("*.json", "*.txt", "*.model", "*.jinja")


def fetch_weights(spec: ModelSpec, folder: Path, downloads: Downloads) -> Weights:
    """Fetch what a model needs into a folder, from the mirror, the hub or open_clip's URL.

    Raises:
        InputError: as `openclip.preflight`, or a file cannot be had; names where it was looked for.
    """
    if spec.family is not None:
        # What else it needs lies where its code looks.
        file = Path(spec.weights or "")
        there = file.is_file()
        return Weights(str(file) if there else None, sha256(file) if there else None, None, {})
    urls: dict[str, str] = {}
    described = tokenizer = None
    repository = repository_of(spec.architecture)
    preflight(spec)
    if repository is not None:
        described = tokenizer = folder / "configuration"
        urls |= fetch_repository(repository, described, TOKENIZER_FILES, downloads)
    sources = pretrained(spec, described)
    if sources.tokenizer:
        tokenizer = folder / "tokenizer"
        urls |= fetch_repository(sources.tokenizer, tokenizer, TOKENIZER_FILES, downloads)
        urls.pop(str(tokenizer / OPEN_CLIP_FILE), None)  # becomes the model's, see below
        found = configuration(spec, described)
        content = {"model_cfg": found.model, "preprocess_cfg": found.preprocess}
        write_json(content, tokenizer / OPEN_CLIP_FILE)
    urls |= _fetch_text_model(spec, described, tokenizer, downloads)
    checkpoint = None
    if spec.is_tag or (repository is not None and spec.brings_weights):
        checkpoint, url = _fetch_checkpoint(sources, folder / "checkpoint", downloads)
        urls |= {str(checkpoint): url, **_fetch_shards(sources, checkpoint, downloads)}
    elif not spec.is_random:
        place = Path(spec.weights) if spec.weights else local_path(spec.architecture)
        checkpoint = weight_file(place)
    return Weights(
        str(checkpoint) if checkpoint else None,
        _digest(files_of(checkpoint)) if checkpoint else None,
        str(tokenizer) if tokenizer else None,
        urls,
    )


def _fetch_text_model(
    spec: ModelSpec, described: Path | None, tokenizer: Path | None, downloads: Downloads
) -> dict[str, str]:
    """The configuration of a text tower of transformers, beside the tokenizer; refuses others."""
    name = configuration(spec, described).model["text_cfg"].get("hf_model_name")
    if not name or Path(name).is_dir():
        return {}
    if tokenizer is None:
        raise InputError(
            f"{spec.architecture}: its tokenizer is a local folder, its text tower's configuration "
            f"({name}) is not; put config.json into a folder too and name it in "
            "text_cfg.hf_model_name"
        )
    place = tokenizer / TEXT_MODEL
    urls = fetch_repository(name, place, (HUGGING_FACE_FILE,), downloads)
    configuration(spec, tokenizer)
    return urls


def _digest(files: list[Path]) -> str:
    return sha256(files[0]) if len(files) == 1 else sha256_of_files(files)


def _fetch_shards(sources: Pretrained, index: Path, downloads: Downloads) -> dict[str, str]:
    """The shards that a fetched file is an index of, with their addresses."""
    found = {}
    for name in shard_names(index) if kind_of(index) == INDEX else ():
        file, url = _fetch_checkpoint(replace(sources, names=(name,)), index.parent, downloads)
        found[str(file)] = url
    return found


def _fetch_checkpoint(sources: Pretrained, folder: Path, downloads: Downloads) -> tuple[Path, str]:
    """A tag's checkpoint and its address; the hub comes before the URL."""
    faults = []
    if sources.repository:
        for name in sources.names:
            url = model_url(sources.repository, name)
            if _at_hand(url, folder / name, downloads):
                return folder / name, url
        for name in () if downloads.offline else sources.names:
            try:
                hf_hub_download(sources.repository, name, local_dir=folder)
                return folder / name, model_url(sources.repository, name)
            except EntryNotFoundError as error:
                if isinstance(error, LocalEntryNotFoundError):
                    faults.append(one_line(error))
            except HUB_ERRORS as error:
                faults.append(one_line(error))
    if sources.url:
        path = folder / sources.url.rsplit("/", 1)[-1]
        fetch_file(sources.url, path, downloads, sha256=_hash_in(sources.url))
        return path, sources.url
    raise InputError(
        f"weights of {sources.repository} cannot be had: {_why(faults, downloads)}; "
        + remedy(model_url(sources.repository or "", sources.names[0]), downloads)
    )


def _at_hand(url: str, path: Path, downloads: Downloads) -> bool:
    """Whether a file is there or in the mirror, from which it is then copied."""
    if not path.exists() and downloads.mirrored(url):
        fetch_file(url, path, downloads)
    return path.exists()


def _hash_in(url: str) -> str | None:
    """OpenAI's addresses name the sha256 of the file as their last folder."""
    folder = url.split("/")[-2]
    return folder if len(folder) == 64 and set(folder) <= set("0123456789abcdef") else None


def _why(faults: list[str], downloads: Downloads) -> str:
    return "offline" if downloads.offline else "; ".join(faults) or "no such file"
