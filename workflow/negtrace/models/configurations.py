"""Configurations: what a model's architecture is, from open_clip's table, a file or a folder.

A file may be open_clip's plain configuration, its ``open_clip_config.json`` (which also says how
pictures are prepared) or Hugging Face's ``config.json`` of a CLIP.  open_clip is imported where it
is needed: of a file it seldom is, and its import takes longer than all that is done here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from negtrace.errors import InputError
from negtrace.messages import did_you_mean, one_line
from negtrace.models import hugging_face_configurations
from negtrace.study.model_sources import folder_of, is_repository, repository_of

OPEN_CLIP_FILE = "open_clip_config.json"
HUGGING_FACE_FILE = "config.json"
PREPROCESSOR_FILE = "preprocessor_config.json"
TEXT_MODEL = "text_model"  # folder with the configuration of a text tower of transformers

# A folder with one of them has a tokenizer.
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "spiece.model")

NEEDED = ("embed_dim", "vision_cfg", "text_cfg")


@dataclass(frozen=True)
class Configuration:
    """An architecture.

    Attributes:
        name: open_clip's, or that of the file or folder.
        model: open_clip's ``model_cfg``.
        preprocess: open_clip's ``preprocess_cfg``, as far as the place says it.
        builtin: whether it is from open_clip's own table.
        says_activation: whether the place says what the weights were trained with.
        tokenizer: folder or repository of a Hugging Face tokenizer, or None for CLIP's own.
    """

    name: str
    model: dict[str, Any]
    preprocess: dict[str, Any] = field(default_factory=dict)
    builtin: bool = False
    says_activation: bool = False
    tokenizer: str | None = None

    @property
    def quick_gelu(self) -> bool:
        return bool(self.model.get("quick_gelu"))


def read_configuration(architecture: str, folder: Path | str | None = None) -> Configuration:
    """The configuration that an architecture's name means.

    Args:
        folder: what has been fetched of a model of the hub (see `weights.Weights.tokenizer`).

    Raises:
        InputError: there is none, or it is no model's; says what is there instead.
    """
    repository, local = repository_of(architecture), folder_of(architecture)
    if repository is not None and not is_repository(repository):
        raise InputError(f"{architecture}: write it as hf-hub:owner/name")
    if repository is not None:
        if folder is None:
            raise InputError(
                f"{architecture}: its configuration lies on the hub; fetch it first "
                "(weights_download.fetch_weights), or name a downloaded folder as local-dir:/folder"
            )
        local = Path(folder)
    if local is not None:
        return of_folder(local, architecture)
    if architecture.endswith(".json"):
        path = Path(architecture)
        found = of_file(path)
        name = path.parent.resolve().name if path.name in _IN_FOLDERS else path.stem
        _refuse_shadow(name, found.model, path)
        return _named(found, name, path.parent)
    import open_clip

    config = open_clip.get_model_config(architecture) if _plain(architecture) else None
    if config is None:
        hint = did_you_mean(architecture, open_clip.list_models())
        raise InputError(f"open_clip knows no architecture {one_line(architecture)!r}{hint}")
    return _named(Configuration("", config, builtin=_is_builtin(architecture)), architecture)


_IN_FOLDERS = (OPEN_CLIP_FILE, HUGGING_FACE_FILE)


def _plain(name: str) -> bool:
    return ":" not in name and bool(name)


def builtin_configurations() -> Path:
    """Folder of the configurations that open_clip ships; others may be added while running."""
    package = find_spec("open_clip")
    assert package is not None
    return Path(str(package.origin)).parent / "model_configs"


def _is_builtin(name: str) -> bool:
    return (builtin_configurations() / f"{name}.json").is_file()


def of_folder(folder: Path, name: str) -> Configuration:
    """The configuration of a folder in open_clip's or Hugging Face's layout.

    Raises:
        InputError: it has none, or none that can be read.
    """
    for file in _IN_FOLDERS:
        if (folder / file).is_file():
            return _named(of_file(folder / file), name, folder, own_tokenizer=True)
    raise InputError(
        f"{folder}: {'the folder has' if folder.is_dir() else 'there is no such folder, so'} no "
        f"{OPEN_CLIP_FILE} (or {HUGGING_FACE_FILE} of a CLIP); name the model's folder"
    )


def of_file(path: Path) -> Configuration:
    """The configuration in one file; without a name and a tokenizer.

    Raises:
        InputError: it cannot be read, or is no model's configuration.
    """
    content = read_mapping(path)
    if "model_type" in content or "architectures" in content:
        sibling = path.with_name(PREPROCESSOR_FILE)
        preprocess = {}
        if sibling.is_file():
            preprocess = hugging_face_configurations.preprocess_configuration(
                read_mapping(sibling), str(sibling)
            )
        model = _hugging_face(content, path)
        return Configuration("", model, preprocess, says_activation=True)
    wrapped = content.get("model_cfg")
    model = wrapped if isinstance(wrapped, dict) else content
    missing = [key for key in NEEDED if key not in model]
    if missing:
        raise InputError(
            f"{path}: not an open_clip model configuration, it has no {', '.join(missing)}"
        )
    if not all(isinstance(model[key], dict) for key in NEEDED[1:]):
        raise InputError(f"{path}: vision_cfg and text_cfg have to be mappings")
    preprocess = dict(content.get("preprocess_cfg") or {})
    if preprocess:
        from open_clip.transform import PreprocessCfg

        known = PreprocessCfg.__dataclass_fields__
        preprocess = {key: value for key, value in preprocess.items() if key in known}
    # Of weights that come with their configuration the latter speaks also where it is silent.
    says = "quick_gelu" in model or model is wrapped
    return Configuration("", dict(model), preprocess, says_activation=says)


def _hugging_face(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    try:
        return hugging_face_configurations.model_configuration(content, str(path))
    except (TypeError, KeyError, AttributeError, ZeroDivisionError) as error:
        raise InputError(
            f"{path}: not the configuration of a Hugging Face CLIP ({one_line(error)})"
        ) from error


def read_mapping(path: Path) -> dict[str, Any]:
    """What a JSON file of a configuration holds.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: no readable model configuration ({one_line(error)}); correct the file"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: no model configuration, it holds no mapping; correct the file")
    return content


def _refuse_shadow(name: str, model: Mapping[str, Any], path: Path) -> None:
    """A file may not go by the name of another of open_clip's architectures."""
    if _is_builtin(name):
        import open_clip

        if open_clip.get_model_config(name) != model:
            raise InputError(
                f"{path}: open_clip has another architecture named {name!r}; rename the file"
            )


def _named(
    found: Configuration, name: str, folder: Path | None = None, own_tokenizer: bool = False
) -> Configuration:
    """The configuration with its name and tokenizer.

    Args:
        folder: where the configuration lies.
        own_tokenizer: whether a tokenizer there is the model's, as in open_clip's ``local-dir:``.
    """
    source = found.model["text_cfg"].get("hf_tokenizer_name") or None
    has_one = folder is not None and any((folder / file).is_file() for file in TOKENIZER_FILES)
    if folder is not None and own_tokenizer and has_one and (source or not _is_clips(folder)):
        source = str(folder)
    elif source and folder is not None and (folder / source).is_dir():
        source = str(folder / source)
    model = found.model
    text_model = model["text_cfg"].get("hf_model_name")
    if text_model and folder is not None and (folder / text_model).is_dir():
        text = model["text_cfg"] | {"hf_model_name": str(folder / text_model)}
        model = model | {"text_cfg": text}
    return replace(found, name=name, model=model, tokenizer=source)


def _is_clips(folder: Path) -> bool:
    """Whether a folder's tokenizer has CLIP's own vocabulary, so that open_clip's does."""
    for file in ("vocab.json", "tokenizer.json"):
        if (folder / file).is_file():
            content = read_mapping(folder / file)
            vocabulary = content if file == "vocab.json" else content["model"]["vocab"]
            import open_clip

            own = open_clip.SimpleTokenizer().encoder
            return len(vocabulary) == len(own) and _words(vocabulary) == _words(own)
    return False


def _words(vocabulary: Mapping[str, int]) -> list[str]:
    """CLIP's tokens but for the last two, start and end, which go by several names."""
    return sorted(vocabulary, key=vocabulary.__getitem__)[:-2]


def with_text_model(found: Configuration, folder: Path | str | None) -> Configuration:
    """A configuration whose text model's own lies in a folder, if that has it.

    Args:
        folder: what `weights_download.fetch_weights` fetched, or None.
    """
    place = Path(folder or "") / TEXT_MODEL
    name = found.model["text_cfg"].get("hf_model_name")
    if folder is None or not name or not (place / HUGGING_FACE_FILE).is_file():
        return found
    text = found.model["text_cfg"] | {"hf_model_name": str(place)}
    return replace(found, model=found.model | {"text_cfg": text})


def twin_of(name: str) -> str | None:
    """open_clip's architecture that differs in the activation only, by name, or None."""
    suffix = "-quickgelu"
    other = name.removesuffix(suffix) if name.endswith(suffix) else name + suffix
    return other if _is_builtin(other) else None
