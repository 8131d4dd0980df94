"""Settings: check the merged configuration before anything runs.

Imported when Snakemake builds the job graph, so it stays light: no torch, no pandas.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from negtrace import vocabulary
from negtrace.errors import InputError
from negtrace.messages import did_you_mean
from negtrace.study.contrasts import check_contrasts
from negtrace.study.dataset_kinds import CODE, kinds, with_kinds
from negtrace.study.extensions import MODELS, check_installed, is_code
from negtrace.study.interventions import check_interventions
from negtrace.study.known_models import check_name, text_model
from negtrace.study.model_sources import brings_weights, is_path, local_path
from negtrace.study.values import check_values, path_fault, shown

SCHEMA_FILE = Path(__file__).parents[2] / "schemas" / "config.schema.json"

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
    "^([0-9]+\\.[0-9]+(\\.[qkv])?|mlp\\.[0-9]+|read-out)$": (
        "is no receiver: use block.head such as '4.1' (in quotes), 4.1.q, mlp.4 or read-out"
    ),
    "^[0-9]+\\.[0-9]+$": "is no head: use block.head, in quotes, such as '1.2'",
    "^(embedding|[0-9]+\\.[0-9]+|mlp\\.[0-9]+)$": (
        "is no sender: use embedding, block.head such as '1.2' (in quotes), or mlp.1"
    ),
    "^https?://[^/]+/.+": "is no address: it starts with http:// or https:// and names a file",
}

# Confirmations of what components write: the residual stream has to be a sum.
NEED_A_SUM = ("contributions", "edges", "attribution", "mechanism")


def validate(config: Mapping[str, Any]) -> None:
    """Check the configuration against its schema, its names and the local files it mentions.

    Raises:
        InputError: names the key and what is allowed, or the missing file.
    """
    check_values(config)
    error = best_match(Draft202012Validator(schema()).iter_errors(config))
    if error is not None:
        raise InputError(f"configuration: {describe(error)}")
    check_names(config)
    check_bases(config)
    check_interventions(config)
    check_confirmation(config)
    check_planted(config)
    check_contrasts(config)
    check_thresholds(config["segments"])
    check_mirror(config["downloads"]["mirror"])
    check_files(config)


def schema() -> dict[str, Any]:
    """The configuration's schema with all kinds of datasets.

    ``{"vocabulary": "SITES"}`` in the file means one of these names.
    """
    text = SCHEMA_FILE.read_text(encoding="utf-8")
    return with_kinds(json.loads(text, object_hook=_with_names))


def _with_names(node: dict[str, Any]) -> dict[str, Any]:
    named, _, or_all = str(node.get("vocabulary", "")).partition(" and ")
    if not named:
        return node
    names = list(getattr(vocabulary, named))
    return {"enum": [*names, vocabulary.ALL] if or_all else names}


def describe(error: ValidationError) -> str:
    """One sentence about a schema violation: the key, what it holds, what it may hold."""
    where = ".".join(str(part) for part in error.absolute_path)
    key = where or "the top level"
    value: Any = error.instance
    allowed: Any = error.validator_value
    within: Any = error.schema
    match error.validator:
        case "additionalProperties":
            keys = sorted(within["properties"])
            wrong = next(name for name in value if name not in keys)
            path = f"{where}.{wrong}" if where else wrong
            return f"unknown key {path}{did_you_mean(wrong, keys)} (allowed: {', '.join(keys)})"
        case "required":
            missing = next(name for name in allowed if name not in value)
            return f"{key} lacks the key {missing!r} (needed: {', '.join(allowed)})"
        case "enum":
            return (
                f"{key} is {shown(value)}{did_you_mean(value, allowed)} "
                f"(allowed: {', '.join(map(str, allowed))})"
            )
        case "type":
            kinds = [allowed] if isinstance(allowed, str) else allowed
            return (
                f"{key} is {shown(value)}, but must be {' or '.join(TYPE_NAMES[k] for k in kinds)}"
            )
        case "minimum":
            return f"{key} is {value}, but must be at least {allowed}"
        case "maximum":
            return f"{key} is {value}, but must be at most {allowed}"
        case "exclusiveMinimum":
            return f"{key} is {value}, but must be more than {allowed}"
        case "minItems" | "minProperties":
            return f"{key} is empty, but must name at least {allowed}"
        case "uniqueItems":
            return f"{key} names something twice: {shown(value)}"
        case "pattern":
            return f"{key}: {shown(value)} {PATTERNS[allowed]}"
        case "maxLength":
            return f"{key} has {len(value)} characters, but may have at most {allowed}"
    return f"{key}: {' '.join(error.message.split())[:300]}"


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


def check_bases(config: Mapping[str, Any]) -> None:
    """What a model of the study was made from is in the study too, and is another model."""
    models = config["study"]["models"]
    for name in models:
        base = config["models"][name].get("base")
        if base is not None and (base == name or base not in models):
            others = [other for other in models if other != name]
            raise InputError(
                f"configuration: models.{name}.base is {base!r}{did_you_mean(base, others)}, but "
                f"must be another model of study.models (there: {', '.join(others) or 'none'})"
            )


def check_confirmation(config: Mapping[str, Any]) -> None:
    """What the study confirms has been swept, and is defined for its models."""
    study = config["study"]
    asked = [one for one in study["confirm"] if one in NEED_A_SUM]
    for name in study["models"] if asked else ():
        entry = config["models"][name]
        if "plant" in entry or entry.get("family"):
            continue
        if text := text_model(entry["architecture"]):
            raise InputError(
                f"configuration: study.confirm: {', '.join(asked)} are not defined for "
                f"models.{name}, whose text tower ({text}) normalises its residual stream on the "
                "way; leave that out of study.confirm"
            )
    if study["confirm"] and "head" not in study["sites"]:
        raise InputError(
            f"configuration: study.confirm is {study['confirm']}, which needs the site head; add "
            "it to study.sites, or set study.confirm to []"
        )
    if "direction" in study["confirm"] and "resid" not in study["sites"]:
        raise InputError(
            "configuration: study.confirm has direction, which needs the site resid; add it to "
            "study.sites, or leave direction out of study.confirm"
        )


def check_planted(config: Mapping[str, Any]) -> None:
    """What tells whether a constructed model's circuit is found has been swept."""
    study = config["study"]
    planted = [name for name in study["models"] if "plant" in config["models"][name]]
    if planted and "rephrased" in study["wordings"]:
        lacking = {
            "sites": {"resid", "head"} - {*study["sites"]},
            "directions": {"negate"} - {*study["directions"]},
        }
        for key, names in lacking.items():
            for name in sorted(names):
                raise InputError(
                    f"configuration: study.{key} lacks {name!r}, on which the constructed model "
                    f"{planted[0]} is compared with what was planted; add it"
                )


def check_thresholds(segments: Mapping[str, float]) -> None:
    """The segments do not overlap."""
    below, start = segments["incorrect_below"], segments["correct_from"]
    if below > start:
        raise InputError(
            f"configuration: segments.incorrect_below is {below}, but must not exceed "
            f"segments.correct_from ({start})"
        )


def check_mirror(mirror: str | None) -> None:
    """The mirror is a folder, or can become one."""
    if mirror and os.path.exists(mirror) and not os.path.isdir(mirror):
        raise InputError(
            f"configuration: downloads.mirror: {mirror} is a file; name a folder, or null"
        )
    if mirror and (fault := path_fault(mirror)):
        raise InputError(f"configuration: downloads.mirror {fault}")


def check_files(config: Mapping[str, Any]) -> None:
    """Local files, folders and open_clip's names of the study's datasets and models exist."""
    for name in config["study"]["datasets"]:
        check_dataset_files(f"datasets.{name}", config["datasets"][name])
    for name in config["study"]["models"]:
        if "plant" not in config["models"][name]:
            check_model_files(f"models.{name}", config["models"][name])


def check_model_files(key: str, model: Mapping[str, Any]) -> None:
    """Local files and folders of one model exist, and its names are open_clip's."""
    architecture, weights = model["architecture"], model.get("weights")
    if family := model.get("family"):
        # What the other keys mean, only its code knows.
        if is_code(family):
            check_exists(f"{key}.family", family, "correct the path")
        else:
            check_installed(f"{key}.family", MODELS, family)
        return
    if weights is None and not brings_weights(architecture):
        raise InputError(
            f"configuration: {key} lacks the key 'weights': pretrained weights of open_clip, the "
            "path of a checkpoint, or 'random'; only hf-hub: and local-dir: models bring their own"
        )
    named = not is_path(architecture) and ":" not in architecture
    remedies = {
        "architecture": (local_path(architecture), "name an open_clip architecture"),
        "weights": (weights, "name pretrained weights of open_clip, or 'random'"),
    }
    for part, (path, remedy) in remedies.items():
        if model.get(part) is not None and is_path(model[part]):
            # A model may be a file or a folder of files.
            folder = os.path.isdir(str(path))
            check_exists(f"{key}.{part}", str(path), f"correct the path, or {remedy}", folder)
    if named:
        elsewhere = weights is None or weights == "random" or is_path(weights) or ":" in weights
        check_name(key, architecture, None if elsewhere else weights)


def check_dataset_files(key: str, dataset: Mapping[str, Any]) -> None:
    """Local files and folders of one dataset exist."""
    annotations, images = dataset.get("annotations"), dataset.get("images")
    if isinstance(annotations, str):
        check_exists(
            f"{key}.annotations",
            annotations,
            "put a file in VALSE's format there (VALSE's own is data/existence.json in the "
            "repository Heidelberg-NLP/VALSE), or change the key",
        )
    if isinstance(images, str):
        remedy = "put the dataset's images there, or change the key"
        check_exists(f"{key}.images", images, remedy, folder=True)
    if CODE in dataset and not is_code(dataset[CODE]):
        raise InputError(f"configuration: {key}.{CODE}: a reader's file has to end in .py")
    kind = kinds().get(dataset["kind"])
    files = {name: dataset[name] for name in kind.files if name != "annotations"} if kind else {}
    for name, path in files.items():
        if isinstance(path, str):
            check_exists(f"{key}.{name}", path, "correct the path")
    if boxes := dataset.get("subjects", {}).get("file"):
        check_exists(f"{key}.subjects.file", boxes, "correct the path")


def check_exists(key: str, path: str, remedy: str, folder: bool = False) -> None:
    """A file, or a folder, is there.

    Raises:
        InputError: names the key, the path and the remedy.
    """
    if fault := path_fault(path):
        raise InputError(f"configuration: {key} {fault}; {remedy}")
    if not (os.path.isdir if folder else os.path.isfile)(path):
        kind = "folder" if folder else "file"
        raise InputError(f"configuration: {key}: there is no {kind} {path}; {remedy}")
