"""Activations: whether weights were trained with QuickGELU, from what comes with them.

Weights of one activation run in an architecture of the other without any error, and every number
changes.  A program in the file, the class names of a pickled module and a configuration beside the
file are certain; the name of a known family, or of the model that training began from, is strong.
Where nothing says it, the architecture's is assumed, and that is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from negtrace.errors import InputError
from negtrace.models.configurations import (
    HUGGING_FACE_FILE,
    OPEN_CLIP_FILE,
    Configuration,
    of_file,
    twin_of,
)

if TYPE_CHECKING:
    from negtrace.models.weight_reading import WeightFile

QUICK, PLAIN = "quick_gelu", "gelu"
WORDS = {QUICK: "QuickGELU", PLAIN: "GELU"}

# Fine-tuned from OpenAI's weights, which are QuickGELU ones, by the names that files go by.
FAMILIES = {
    r"neg-?clip": "NegCLIP",
    r"con-?clip": "CoN-CLIP",
    r"ce-?clip": "CE-CLIP",
    r"long-?clip": "LongCLIP",
    r"fsc-?clip": "FSC-CLIP",
    r"dac-(llm|sam)": "DAC",
    r"svlc": "SVLC",
}

# Keys of what training code stores beside the weights, that name what training began from.
_BEGINNINGS = ("pretrained", "name", "model", "model_name", "arch", "backbone", "clip_model")
_DEEPEST = 4


class Said(NamedTuple):
    """What the weights say about their activation."""

    activation: str
    by: str
    certain: bool


def said_activation(path: Path, file: WeightFile, found: Configuration) -> Said | None:
    """What a file of weights, its name and what lies beside it say; the most certain first.

    Args:
        found: the architecture that it is given to.
    """
    if file.activation:
        return Said(file.activation, "the program in the file", True)
    if any(name.endswith(".QuickGELU") for name in file.classes):
        return Said(QUICK, "the module's class QuickGELU in the file", True)
    neighbour = configuration_beside(path, found)
    if neighbour is not None and neighbour.says_activation:
        said = QUICK if neighbour.quick_gelu else PLAIN
        return Said(said, f"{neighbour.name} beside the file", True)
    for key, value in _strings(file.content):
        if "quickgelu" in value.lower().replace("_", ""):
            return Said(QUICK, f"{key} {value[:60]!r} stored in the file", False)
        if key == "pretrained" and value.lower() == "openai":
            return Said(QUICK, "training from pretrained 'openai', stored in the file", False)
    for place in (path.stem, path.resolve().parent.name):
        plain = re.sub(r"[^a-z0-9]+", "-", place.lower())
        for pattern, family in FAMILIES.items():
            if re.search(rf"(^|-){pattern}(-|\d|$)", plain):
                by = f"the name {place!r} ({family}, fine-tuned from OpenAI's weights)"
                return Said(QUICK, by, False)
        if "quickgelu" in plain.replace("-", ""):
            return Said(QUICK, f"the name {place!r}", False)
    return None


def configuration_beside(path: Path, found: Configuration) -> Configuration | None:
    """The configuration in the folder of a file of weights, if it is of a model of that shape."""
    for name in (OPEN_CLIP_FILE, HUGGING_FACE_FILE):
        if path.with_name(name).is_file():
            try:
                beside = of_file(path.with_name(name))
            except InputError:
                continue
            if _shape(beside) == _shape(found):
                return Configuration(name, beside.model, beside.preprocess, says_activation=True)
    return None


def _shape(found: Configuration) -> tuple[Any, ...]:
    text = found.model["text_cfg"]
    return found.model["embed_dim"], text.get("width", 512), text.get("layers", 12)


def _strings(content: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """(key, text) of what may name the model that training began from."""
    if isinstance(content, str):
        if key in _BEGINNINGS:
            yield key, content
    elif isinstance(content, Mapping) and depth < _DEEPEST:
        for name, value in [*content.items(), *getattr(content, "__dict__", {}).items()]:
            yield from _strings(value, str(name), depth + 1)


def check_activation(
    found: Configuration, said: Said | None, stated: bool | None, where: str
) -> str | None:
    """What had to be assumed about the activation, in words; None if it is known.

    Args:
        found: the architecture, with the entry's `quick_gelu` in it.
        said: by the weights.
        stated: the entry's `quick_gelu`.
        where: the weights, to name them.

    Raises:
        InputError: the weights were trained with the other activation.
    """
    mine = QUICK if found.quick_gelu else PLAIN
    if said and said.activation != mine and (said.certain or stated is None):
        twin = twin_of(found.name) if found.builtin and stated is None else None
        other = "true" if said.activation == QUICK else "false"
        remedy = f"use the architecture {twin}, or set" if twin else "set"
        if not said.certain:
            remedy += f" quick_gelu: {other} in the model's entry ({_not(other)} if this is wrong)"
        else:
            remedy += f" quick_gelu: {other} in the model's entry"
        raise InputError(
            f"{where}: the weights were trained with {WORDS[said.activation]}, says {said.by}, "
            f"but {found.name} has {WORDS[mine]}; {remedy}"
        )
    if said or stated is not None or found.says_activation:
        return None
    if found.builtin and (found.quick_gelu or twin_of(found.name) is None):
        return None  # its name says it, or none of that shape was ever published with the other
    return (
        f"{WORDS[mine]}, as the architecture {found.name} has it: the weights do not say what they "
        "were trained with"
    )


def _not(word: str) -> str:
    return "false" if word == "true" else "true"
