"""What open_clip's own files say of its architectures and tags, without importing it.

Importing it imports torch, which takes seconds; reading its files takes hundredths of one.
"""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from json import loads
from pathlib import Path
from typing import Any

from negtrace.errors import InputError
from negtrace.messages import did_you_mean
from negtrace.study.model_sources import is_path, local_path


def check_name(key: str, architecture: str, weights: str | None) -> None:
    """An architecture and a tag are open_clip's own and fit; nothing where it is not installed.

    Args:
        key: of the model in the configuration.
        architecture: its name in open_clip.
        weights: one of its pretrained tags; None for files and random weights.

    Raises:
        InputError: names the key and the closest names.
    """
    package = _package()
    if package is None:
        return
    names = {path.stem: path for path in package.glob("model_configs/*.json")}
    if architecture not in names:
        hint = did_you_mean(architecture, names)
        raise InputError(
            f"configuration: {key}.architecture: open_clip knows no architecture "
            f"{architecture!r}{hint}"
        )
    if weights is None:
        return
    known = tags().get(architecture, {})
    if weights not in known:
        shown = ", ".join(sorted(known)[:9]) or "none known"
        raise InputError(
            f"configuration: {key}.weights: {weights!r} is neither a file nor one of the pretrained"
            f" weights of {architecture}{did_you_mean(weights, known)} (known: {shown}; or random)"
        )
    quick = bool(loads(names[architecture].read_text()).get("quick_gelu"))
    if known[weights] != quick:
        stem = architecture.removesuffix("-quickgelu")
        raise InputError(
            f"configuration: {key}: the weights {weights!r} were trained with "
            f"{'QuickGELU' if known[weights] else 'GELU'}; use the architecture "
            f"{f'{stem}-quickgelu' if known[weights] else stem}"
        )


def text_model(architecture: str) -> str | None:
    """Name of the text model of transformers that an architecture has, as far as is at hand."""
    package = _package()
    if is_path(architecture):
        place = local_path(architecture)
        file = place / "open_clip_config.json" if place.is_dir() else place
    elif package is not None:
        file = package / "model_configs" / f"{architecture}.json"
    else:
        return None
    try:
        content = loads(file.read_text(encoding="utf-8"))
        name: str | None = content.get("model_cfg", content)["text_cfg"].get("hf_model_name")
    except (OSError, ValueError, KeyError, AttributeError):
        return None  # said where the model is checked
    return name


@cache
def tags() -> dict[str, dict[str, bool]]:
    """Whether each pretrained tag was trained with QuickGELU, by architecture and tag."""
    package = _package()
    if package is None:
        return {}
    tables: dict[str, dict[str, Any]] = {}
    for node in ast.parse((package / "pretrained.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            tables[node.targets[0].id] = _table(node.value, tables)
    found = tables["_PRETRAINED"]
    # As open_clip does: under the name with the ending, those trained with QuickGELU.
    for name, entries in list(found.items()):
        if quick := {tag: True for tag, is_quick in entries.items() if is_quick}:
            found[f"{name}-quickgelu"] = quick
    return found


def _package() -> Path | None:
    spec = find_spec("open_clip")
    return Path(spec.origin).parent if spec and spec.origin else None


def _table(node: ast.expr, tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A table of tags, or of architectures, as it is written."""
    if isinstance(node, ast.Name):
        return tables.get(node.id, {})
    pairs: list[tuple[Any, ast.expr]]
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dict":
        pairs = [(keyword.arg, keyword.value) for keyword in node.keywords]
    elif isinstance(node, ast.Dict):
        pairs = [
            (key.value if isinstance(key, ast.Constant) else None, value)
            for key, value in zip(node.keys, node.values, strict=True)
        ]
    else:
        return {}
    table: dict[str, Any] = {}
    for name, value in pairs:
        if name is None:
            table |= _table(value, tables)
        elif isinstance(value, ast.Call) and getattr(value.func, "id", "") != "dict":
            table[name] = any(
                keyword.arg == "quick_gelu" and getattr(keyword.value, "value", False) is True
                for keyword in value.keywords
            )
        else:
            table[name] = _table(value, tables)
    return table
