"""A step's job: its command line read, its tables read and written, its provenance recorded.

A step is a typed function under the decorator `step`: tables and settings in, tables out::

    @step("segments", "accuracy")
    def segments(scores: Table, pairs: Table, thresholds: dict[str, float]) -> Made: ...

Annotations are names of this module where the value is no setting; `study.step_source` says which
directive of the rule each stands for.  What a step needs is imported inside it, so that a job loads
no more than that, and its code hash covers no more.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import pandas as pd

from negtrace.models.compute import Compute
from negtrace.study.step_source import UNRECORDED, Parameter, Step, labels_of
from negtrace.tables.lineage import Tables as ReadTables
from negtrace.tables.lineage import kind_of, read_tables
from negtrace.tables.store import labelled, provenance, write_table

if TYPE_CHECKING:
    from negtrace.fetching.downloads import Downloads

Table: TypeAlias = pd.DataFrame
Tables: TypeAlias = list[pd.DataFrame]
TablesByPath: TypeAlias = dict[Path, pd.DataFrame]  # names of files say what kinds they are
ModelsByPath: TypeAlias = dict[Path, pd.DataFrame]  # of several models
Input: TypeAlias = Path
Inputs: TypeAlias = list[Path]
Output: TypeAlias = Path
Label: TypeAlias = str
Resource: TypeAlias = int  # changes no result
ResourceName: TypeAlias = str  # changes no result
# Settings that provenance does not record: see `study.step_source.UNRECORDED`.
Place: TypeAlias = str
Entry: TypeAlias = dict[str, Any]
Trigger: TypeAlias = str

READ = ("Table", "Tables", "TablesByPath", "ModelsByPath", "Table | None")
BY_PATH = ("TablesByPath", "ModelsByPath")
# The label in which tables may differ from the step's own.
OTHER = {"ModelsByPath": "model"}

F = TypeVar("F", bound=Callable[..., Any])


class Made(NamedTuple):
    """What a step that makes tables returns.

    Attributes:
        tables: by output of the rule.
        params: what else they depend on, beside the step's settings.
        model: identity of the model that they were made with.
    """

    tables: Mapping[str, pd.DataFrame]
    params: Mapping[str, Any] = {}
    model: Mapping[str, Any] | None = None


def step(*tables: str, **renamed: str) -> Callable[[F], F]:
    """Mark a function as a step.

    Args:
        tables: outputs of its rule that are tables of the same name.
        renamed: further outputs, and what tables they are.
    """
    return lambda function: function


def run(definition: Step, words: list[str]) -> None:
    """Run a step with the words of its command line.

    Raises:
        InputError: whatever the step, or a table that it reads, finds wrong with its input.
    """
    options = parser(definition).parse_args(words)
    labels = {name: getattr(options, name) for name in definition.labels}
    read = _read(definition, options, labels)
    function = getattr(import_module(f"negtrace.steps.{definition.stage}"), definition.name)
    made = function(**{p.name: _argument(p, options, read) for p in definition.parameters})
    if not definition.tables:
        return
    settings = _settings(definition, options)
    recorded = provenance(
        definition.name,
        tables=read.sources,
        inputs=_other_files(definition, options),
        params={**settings, **made.params},
        model=made.model,
        seed=settings.get("seed"),
    )
    for output, kind in definition.tables.items():
        own = {name: labels[name] for name in labels_of(kind)}
        write_table(labelled(made.tables[output], own), getattr(options, output), kind, recorded)


def _read(definition: Step, options: Namespace, labels: Mapping[str, str]) -> ReadTables:
    """All tables that a step reads, checked against the job and against each other.

    Raises:
        InputError: see `lineage.read_tables`.
    """
    # What is checked together: the step's own, those of other models, those of each folder.
    together: dict[tuple[str, Path | None], dict[str, Path]] = {}
    for parameter in definition.parameters:
        if parameter.annotation in READ:
            other = OTHER.get(parameter.annotation, "")
            for role, path in _roles(parameter, getattr(options, parameter.name)):
                key = other, path.parent if parameter.annotation in BY_PATH else None
                together.setdefault(key, {})[role] = path
    read = ReadTables({}, {})
    for (other, _), paths in together.items():
        own = {name: label for name, label in labels.items() if name != other}
        found = read_tables(paths, own)
        read.update(found)
        read.sources.update(found.sources)
    return read


def _roles(parameter: Parameter, given: Any) -> list[tuple[str, Path]]:
    """(role, file) of a parameter's input files; those of a list are numbered."""
    if not parameter.is_list:
        return [(parameter.name, given)]
    if parameter.annotation in BY_PATH:
        return [(f"{path.stem}.{number}", path) for number, path in enumerate(given)]
    return [(f"{parameter.name}.{number}", path) for number, path in enumerate(given)]


def _other_files(definition: Step, options: Namespace) -> dict[str, Path]:
    """Input files by role that are no tables of ours."""
    return {
        role: path
        for parameter in definition.parameters
        if parameter.annotation not in READ
        and parameter.options.get(parameter.name) == f"input.{parameter.name}"
        for role, path in _roles(parameter, getattr(options, parameter.name))
        if path.is_file()
    }


def _settings(definition: Step, options: Namespace) -> dict[str, Any]:
    """Values of the rule's params that tables depend on, those of composed parameters included."""
    return {
        option: getattr(options, option)
        for parameter in definition.parameters
        if parameter.annotation not in UNRECORDED
        for option, source in parameter.options.items()
        if source.startswith("params.")
    }


def parser(definition: Step) -> ArgumentParser:
    """The command line of a step; every option is required."""
    found = ArgumentParser(prog=f"python -m negtrace.steps {definition.name}", allow_abbrev=False)
    for name in definition.labels:
        found.add_argument(f"--{name}", required=True)
    for parameter in definition.given:
        many: dict[str, Any] = {"nargs": "*"} if parameter.is_list else {}
        for option in parameter.options:
            found.add_argument(f"--{option}", type=_type(parameter, option), required=True, **many)
    for name in definition.tables:
        found.add_argument(f"--{name}", type=Path, required=True)
    return found


def _type(parameter: Parameter, option: str) -> Callable[[str], Any]:
    """How a word of the command line becomes a value; settings that are no plain ones are JSON."""
    if parameter.options[option].startswith(("input.", "output.")):
        return Path
    annotation = parameter.annotation
    if annotation in COMPOSERS:
        annotation = COMPOSERS[annotation].__annotations__[option]
    plain: dict[str, Callable[[str], Any]] = {
        **dict.fromkeys(("str", "Label", "Place", "Trigger", "ResourceName"), str),
        **dict.fromkeys(("int", "Resource"), int),
        "float": float,
    }
    return plain.get(annotation, json.loads)


def _argument(parameter: Parameter, options: Namespace, read: ReadTables) -> Any:
    """A value for a parameter of the step's function.

    Tables come without the columns of those labels that their kind shares with the step's path.
    """
    name = parameter.name
    given = getattr(options, name, None)
    match parameter.annotation:
        case annotation if annotation in COMPOSERS:
            parts = {option: getattr(options, option) for option in parameter.options}
            return COMPOSERS[annotation](**parts)
        case "Input | None":
            return next(iter(given or ()), None)
        case annotation if annotation not in READ:
            return given
    tables = {
        path: read[role].drop(columns=list(labels_of(kind_of(role))))
        for role, path in _roles(parameter, given)
    }
    match parameter.annotation:
        case "TablesByPath" | "ModelsByPath":
            return tables
        case "Tables":
            return list(tables.values())
    return next(iter(tables.values()), None)


def _downloads(mirror: str, offline: int, connections: int) -> Downloads:
    from negtrace.fetching.downloads import Downloads

    return Downloads(Path(mirror) if mirror else None, bool(offline), connections)


# What makes a value of several options (`study.step_source.COMPOSED`); its annotations are theirs.
COMPOSERS: dict[str, Callable[..., Any]] = {"Compute": Compute, "Downloads": _downloads}
