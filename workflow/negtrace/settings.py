"""Settings: check the merged configuration before anything runs.

Imported when Snakemake builds the job graph, so it stays light: no torch, no pandas.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from negtrace.errors import InputError
from negtrace.model_sources import brings_weights, is_path, local_path

SCHEMA_FILE = Path(__file__).parents[1] / "schemas" / "config.schema.json"

# Folders that results/ and results/{dataset}/ have of their own.
RESERVED = {"datasets": ("models", "logs", "benchmarks"), "models": ("source",)}

TYPE_NAMES = {
    "object": "a mapping of keys to values",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}

# What text that does not match a pattern of the schema lacks.
PATTERNS = {
    "^[A-Za-z0-9][A-Za-z0-9_-]*$": "is no name: letters, digits, - and _ only",
    "^[0-9a-f]{64}$": "is no sha256: it has 64 digits 0-9 and a-f",
    "^https?://[^/]+/.+": "is no address: it starts with http:// or https:// and names a file",
}


def validate(config: Mapping[str, Any]) -> None:
    """Check the configuration against its schema, its names and the local files it mentions.

    Raises:
        InputError: names the key and what is allowed, or the missing file.
    """
    schema = json.loads(SCHEMA_FILE.read_text())
    error = best_match(Draft202012Validator(schema).iter_errors(config))
    if error is not None:
        raise InputError(f"configuration: {describe(error)}")
    check_names(config)
    check_confirmation(config["study"])
    check_thresholds(config["segments"])
    check_files(config)


def describe(error: ValidationError) -> str:
    """One sentence about a schema violation: the key, what it holds, what it may hold."""
    where = ".".join(str(part) for part in error.absolute_path)
    key, value, allowed = where or "the top level", error.instance, error.validator_value
    match error.validator:
        case "additionalProperties":
            keys = sorted(error.schema["properties"])
            wrong = next(name for name in value if name not in keys)
            path = f"{where}.{wrong}" if where else wrong
            return f"unknown key {path}{did_you_mean(wrong, keys)} (allowed: {', '.join(keys)})"
        case "required":
            missing = next(name for name in allowed if name not in value)
            return f"{key} lacks the key {missing!r} (needed: {', '.join(allowed)})"
        case "enum":
            return (
                f"{key} is {value!r}{did_you_mean(value, allowed)} "
                f"(allowed: {', '.join(map(str, allowed))})"
            )
        case "type":
            kinds = [allowed] if isinstance(allowed, str) else allowed
            return f"{key} is {value!r}, but must be {' or '.join(TYPE_NAMES[k] for k in kinds)}"
        case "minimum":
            return f"{key} is {value}, but must be at least {allowed}"
        case "maximum":
            return f"{key} is {value}, but must be at most {allowed}"
        case "exclusiveMinimum":
            return f"{key} is {value}, but must be more than {allowed}"
        case "minItems" | "minProperties":
            return f"{key} is empty, but must name at least {allowed}"
        case "uniqueItems":
            return f"{key} names something twice: {value}"
        case "pattern":
            return f"{key}: {value!r} {PATTERNS[allowed]}"
    return f"{key}: {error.message}"


def did_you_mean(wrong: Any, allowed: Iterable[Any]) -> str:
    """A hint at the closest allowed word, or nothing."""
    close = get_close_matches(str(wrong), [str(word) for word in allowed], n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def check_names(config: Mapping[str, Any]) -> None:
    """Every dataset and model of the study is defined, and none has a reserved name."""
    for kind, reserved in RESERVED.items():
        for name in config["study"][kind]:
            if name not in config[kind]:
                raise InputError(
                    f"configuration: study.{kind} names {name!r}"
                    f"{did_you_mean(name, config[kind])}, which is not defined under {kind} "
                    f"(defined: {', '.join(sorted(config[kind]))})"
                )
        for name in reserved:
            if name in config[kind]:
                raise InputError(
                    f"configuration: {kind}.{name}: results has a folder {name} of its own; "
                    "choose another name"
                )


def check_confirmation(study: Mapping[str, Any]) -> None:
    """What the study confirms has been swept."""
    if study["confirm"] and "head" not in study["sites"]:
        raise InputError(
            f"configuration: study.confirm is {study['confirm']}, which needs the site head; add "
            "it to study.sites, or set study.confirm to []"
        )


def check_thresholds(segments: Mapping[str, float]) -> None:
    """The segments do not overlap."""
    below, start = segments["incorrect_below"], segments["correct_from"]
    if below > start:
        raise InputError(
            f"configuration: segments.incorrect_below is {below}, but must not exceed "
            f"segments.correct_from ({start})"
        )


def check_files(config: Mapping[str, Any]) -> None:
    """Local files and folders of the study's datasets and models exist."""
    for name in config["study"]["datasets"]:
        check_dataset_files(f"datasets.{name}", config["datasets"][name])
    for name in config["study"]["models"]:
        model, key = config["models"][name], f"models.{name}"
        if "plant" in model:
            continue
        check_model_files(key, model)


def check_model_files(key: str, model: Mapping[str, Any]) -> None:
    """Local files and folders of one model exist, and it says which weights it has."""
    architecture, weights = model["architecture"], model.get("weights")
    if weights is None and not brings_weights(architecture):
        raise InputError(
            f"configuration: {key} lacks the key 'weights': pretrained weights of open_clip, the "
            "path of a checkpoint, or 'random'; only hf-hub: and local-dir: models bring their own"
        )
    if is_path(architecture) and not local_path(architecture).exists():
        raise InputError(
            f"configuration: {key}.architecture: there is no file {local_path(architecture)}; "
            "correct the path, or name an open_clip architecture"
        )
    if weights is not None and is_path(weights) and not Path(weights).exists():
        raise InputError(
            f"configuration: {key}.weights: there is no file {weights}; correct the path, or name "
            "pretrained weights of open_clip, or 'random'"
        )


def check_dataset_files(key: str, dataset: Mapping[str, Any]) -> None:
    """Local files and folders of one dataset exist."""
    annotations, images = dataset.get("annotations"), dataset.get("images")
    if isinstance(annotations, str) and not Path(annotations).is_file():
        raise InputError(
            f"configuration: {key}.annotations: there is no file {annotations}; put a file in "
            "VALSE's format there (VALSE's own is data/existence.json in the repository "
            "Heidelberg-NLP/VALSE), or change the key"
        )
    if isinstance(images, str) and not Path(images).is_dir():
        raise InputError(
            f"configuration: {key}.images: there is no folder {images}; put the dataset's images "
            "there, or change the key"
        )
    for where, entry in ((key, dataset), (f"{key}.subjects", dataset.get("subjects", {}))):
        if "file" in entry and not Path(entry["file"]).is_file():
            raise InputError(
                f"configuration: {where}.file: there is no file {entry['file']}; correct the path"
            )
