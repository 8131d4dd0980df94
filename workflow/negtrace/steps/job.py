"""A step's job: its command line read, its tables read and written, its provenance recorded.

A step is a typed function under the decorator `step`: tables and settings in, tables out::

    @step("segments", "accuracy")
    def segments(scores: Table, pairs: Table, thresholds: dict[str, float]) -> Made: ...

Annotations are names of this module where the value is no setting; `study.step_source` says which
directive of the rule each stands for.  What a step needs is imported inside it, so that a job loads
no more than that, and its code hash covers no more.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, TypeAlias, TypeVar

import pandas as pd

from negtrace.steps.command_line import COMPOSERS, parser, units
from negtrace.study.places import sweep_of
from negtrace.study.step_source import (
    OF_SWEEPS,
    UNRECORDED,
    Parameter,
    Step,
    labels_of,
    steps,
)
from negtrace.tables import kept
from negtrace.tables.lineage import Tables as ReadTables
from negtrace.tables.lineage import checked, kind_of
from negtrace.tables.store import (
    Source,
    labelled,
    provenance,
    read_source,
    sha256,
    write_table,
)

Table: TypeAlias = pd.DataFrame
Tables: TypeAlias = list[pd.DataFrame]
TablesByPath: TypeAlias = dict[Path, pd.DataFrame]  # names of files say what kinds they are
ModelsByPath: TypeAlias = dict[Path, pd.DataFrame]  # of several models
# Of a step that is run for one sweep after the other: the one at hand.
SweepTable: TypeAlias = pd.DataFrame
SweepName: TypeAlias = tuple[str, str]  # site and direction
SweepEntry: TypeAlias = dict[str, Any] | None  # its intervention's, of all that there are
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

READ = (
    *("Table", "Table | None", "SweepTable", "SweepTable | None"),
    *("Tables", "TablesByPath", "ModelsByPath"),
)
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


class Once(NamedTuple):
    """How a job reads and hashes what all of its sweeps are made from: once."""

    read: Callable[[Path, str], tuple[pd.DataFrame, Source]]
    digest: Callable[[Path], str]


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
    parts = list(units(definition, options))
    at_once = min(options.processes, len(parts))
    if at_once < 2 or sys.platform != "linux":
        once = Once(cache(read_source), cache(sha256))
        for part in parts:
            _make(definition, part, once)
        return
    # Forked before anything is read: no thread is running yet, and imports are shared.
    with ProcessPoolExecutor(at_once, mp_context=get_context("fork")) as pool:
        for running in [pool.submit(_alone, definition.name, part) for part in parts]:
            running.result()


def _alone(step: str, options: Namespace) -> None:
    """What `_make` does, in a process of its own."""
    _make(steps()[step], options, Once(cache(read_source), cache(sha256)))


def _make(definition: Step, options: Namespace, once: Once) -> None:
    """Make the tables of a step, of one sweep where it is about one."""
    started = monotonic()
    labels = {name: getattr(options, name) for name in definition.labels}
    read = _read(definition, options, labels, once)
    settings = _settings(definition, options)
    others = _other_files(definition, options)
    made_from = provenance(
        definition.name,
        tables=read.sources,
        inputs={role: once.digest(path) for role, path in others.items()},
        params=settings,
        seed=settings.get("seed"),
    )
    paths: list[Path] = [getattr(options, name) for name in definition.tables]
    names = {path: kept.kept_as(path, options.kept, made_from) for path in paths if options.kept}
    if names and kept.restore(names):
        print(f"{', '.join(map(str, paths))}: computed before, from the same", flush=True)
        return
    function = getattr(import_module(f"negtrace.steps.{definition.stage}"), definition.name)
    made = function(**{p.name: _argument(p, options, read, paths) for p in definition.parameters})
    for (output, kind), path in zip(definition.tables.items(), paths, strict=True):
        own = {name: labels[name] for name in labels_of(kind)}
        frame = labelled(made.tables[output], own)
        model = dict(made.model) if made.model else None
        recorded = {**made_from, "params": {**settings, **made.params}, "model": model}
        write_table(frame, path, kind, recorded)
        print(f"{path}: {len(frame)} rows", flush=True)
    kept.keep(names)
    print(f"{definition.name}: {monotonic() - started:.1f} s", flush=True)


def _read(
    definition: Step, options: Namespace, labels: Mapping[str, str], once: Once
) -> ReadTables:
    """All tables that a step reads, checked against the job and against each other.

    Raises:
        InputError: see `lineage.read_tables`.
    """
    # What is checked together: the step's own, those of other models, those of each folder.
    together: dict[tuple[str, Path | None], dict[str, tuple[Table, Source]]] = {}
    for parameter in definition.parameters:
        if parameter.annotation in READ:
            other = OTHER.get(parameter.annotation, "")
            read_file = read_source if parameter.annotation in OF_SWEEPS else once.read
            for role, path in _roles(parameter, getattr(options, parameter.name)):
                key = other, path.parent if parameter.annotation in BY_PATH else None
                together.setdefault(key, {})[role] = read_file(path, kind_of(role))
    read = ReadTables({}, {})
    for (other, _), tables in together.items():
        own = {name: label for name, label in labels.items() if name != other}
        found = checked(tables, own)
        read.update(found)
        read.sources.update(found.sources)
    return read


def _roles(parameter: Parameter, given: Any) -> list[tuple[str, Path]]:
    """(role, file) of a parameter's input files; those of a list are numbered."""
    if not isinstance(given, list):
        return [(parameter.name, given)]
    if parameter.annotation in BY_PATH:
        # Files of another model have the same names: roles tell them apart.
        other = "of_" * parameter.name.startswith("of_")
        return [(f"{other}{path.stem}.{number}", path) for number, path in enumerate(given)]
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
        for parameter in definition.given
        if parameter.annotation not in UNRECORDED
        for option, source in parameter.options.items()
        if source.startswith("params.")
    }


def _argument(parameter: Parameter, options: Namespace, read: ReadTables, paths: list[Path]) -> Any:
    """A value for a parameter of the step's function that writes to these paths.

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
        case "SweepName":
            return sweep_of(paths[0])
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
