"""Fetch a model's checkpoint and tokenizer, so that later jobs need no network.

Random weights and local checkpoints need nothing; of the latter the hash is recorded all the same.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from open_clip import get_model_config
from safetensors.torch import save_file

from negtrace.downloads import Downloads
from negtrace.errors import InputError
from negtrace.fetch import fetch_file
from negtrace.hub import model_url
from negtrace.hub_download import HUB_ERRORS, fetch_repository, remedy
from negtrace.openclip import RANDOM, ModelSpec, Pretrained, is_tag, pretrained
from negtrace.store import atomic_path, sha256, write_json
from negtrace.weights import Weights

TOKENIZER_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
# Numbers that OpenAI stored beside the weights.
TORCHSCRIPT_EXTRAS = ("input_resolution", "context_length", "vocab_size")


def fetch_weights(spec: ModelSpec, folder: Path, downloads: Downloads) -> Weights:
    """Fetch what a model needs into a folder, from the mirror, the hub or open_clip's URL.

    Raises:
        InputError: as `openclip.preflight`, or a file cannot be had; names where it was looked for.
    """
    sources = pretrained(spec)
    urls: dict[str, str] = {}
    tokenizer = None
    if sources.tokenizer:
        tokenizer = folder / "tokenizer"
        urls |= fetch_repository(sources.tokenizer, tokenizer, TOKENIZER_FILES, downloads)
        # open_clip reads from a folder what its own table of architectures would say.
        config = {"model_cfg": get_model_config(Path(spec.architecture).stem)}
        write_json(config, tokenizer / "open_clip_config.json")
    checkpoint = None if spec.weights == RANDOM else Path(spec.weights)
    if is_tag(spec.weights):
        checkpoint, url = _fetch_checkpoint(sources, folder / "checkpoint", downloads)
        urls[str(checkpoint)] = url
    digest = None if checkpoint is None else sha256(checkpoint)
    if checkpoint is not None and is_torchscript(checkpoint):
        checkpoint = plain_checkpoint(checkpoint, folder / "checkpoint")
    return Weights(checkpoint and str(checkpoint), digest, tokenizer and str(tokenizer), urls)


def is_torchscript(path: Path) -> bool:
    """Whether a checkpoint is a program with its weights, as OpenAI published its models."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def plain_checkpoint(path: Path, folder: Path) -> Path:
    """The weights of a TorchScript archive as a safetensors file, which open_clip can load."""
    program = torch.jit.load(path, map_location="cpu")
    state = {
        name: weight.clone()
        for name, weight in program.state_dict().items()
        if name not in TORCHSCRIPT_EXTRAS
    }
    plain = folder / f"{path.stem}.safetensors"
    with atomic_path(plain) as temporary:
        save_file(state, temporary)
    return plain


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
                    faults.append(str(error))
            except HUB_ERRORS as error:
                faults.append(str(error))
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
