"""Settings: check the merged configuration before anything runs.

Imported when Snakemake builds the job graph, so it stays light: no torch, no pandas.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from negtrace.errors import InputError

SCHEMA_FILE = Path(__file__).parents[1] / "schemas" / "config.schema.json"

# Folder names that results/ uses itself.
RESERVED_DATASETS = ("models", "logs", "benchmarks", "figures")
GENERATED = "generated"


def validate(config: Mapping[str, Any]) -> None:
    """Check the configuration against its schema, its names and the local files it mentions.

    Raises:
        InputError: names the key, what is allowed, or the missing file.
    """
    schema = json.loads(SCHEMA_FILE.read_text())
    error = best_match(Draft202012Validator(schema).iter_errors(config))
    if error is not None:
        raise InputError(_message(error))
    _check_names(config)
    _check_thresholds(config["segments"])
    _check_files(config)


def _message(error: ValidationError) -> str:
    """One sentence about a schema violation: the key, what it holds, what it may hold."""
    where = ".".join(str(part) for part in error.absolute_path) or "the top level"
    if error.validator == "additionalProperties":
        allowed = sorted(error.schema.get("properties", {}))
        wrong = sorted(set(error.instance) - set(allowed))
        close = get_close_matches(wrong[0], allowed, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return (
            f"configuration: unknown key {wrong[0]!r} in {where}{hint} "
            f"(allowed: {', '.join(allowed)})"
        )
    if error.validator == "required":
        return f"configuration: {where}: {error.message}"
    allowed = {
        "enum": lambda: "one of " + ", ".join(map(str, error.validator_value)),
        "type": lambda: f"of type {error.validator_value}",
        "minimum": lambda: f"at least {error.validator_value}",
        "maximum": lambda: f"at most {error.validator_value}",
        "pattern": lambda: "letters, digits, - and _",
    }.get(error.validator)
    expected = f" (must be {allowed()})" if allowed else ""
    return f"configuration: {where}: {error.message}{expected}"


def _check_names(config: Mapping[str, Any]) -> None:
    for kind in ("datasets", "models"):
        for name in config["study"][kind]:
            if name not in config[kind]:
                raise InputError(
                    f"configuration: study.{kind} names {name!r}, which is not defined under "
                    f"{kind} (defined: {', '.join(sorted(config[kind]))})"
                )
    for name in config["datasets"]:
        if name in RESERVED_DATASETS:
            raise InputError(f"configuration: a dataset may not be named {name!r}; rename it")


def _check_thresholds(segments: Mapping[str, float]) -> None:
    if segments["incorrect_below"] > segments["correct_from"]:
        raise InputError(
            "configuration: segments.incorrect_below must not exceed segments.correct_from"
        )


def _check_files(config: Mapping[str, Any]) -> None:
    for name in config["study"]["datasets"]:
        dataset = config["datasets"][name]
        if dataset["kind"] != "valse":
            continue
        _require(dataset["annotations"], f"datasets.{name}.annotations", "a VALSE-format JSON file")
        if dataset["images"] != GENERATED:
            _require(dataset["images"], f"datasets.{name}.images", "a folder of images")
    for name in config["study"]["models"]:
        model = config["models"][name]
        if model["architecture"].endswith(".json"):
            _require(model["architecture"], f"models.{name}.architecture", "a model configuration")
        if "/" in model["weights"] or Path(model["weights"]).suffix:
            _require(model["weights"], f"models.{name}.weights", "a checkpoint")


def _require(path: str, key: str, what: str) -> None:
    if not Path(path).exists():
        raise InputError(
            f"configuration: {key}: {path} does not exist; put {what} there or change the key"
        )
