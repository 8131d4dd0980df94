"""The command line of a step: what its signature asks for, as words and back."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from negtrace.models.compute import Compute
from negtrace.study.places import sweep_of
from negtrace.study.step_source import OF_SWEEPS, Parameter, Step

if TYPE_CHECKING:
    from negtrace.fetching.downloads import Downloads


def parser(definition: Step) -> ArgumentParser:
    """The command line of a step; every option is required but those of `shell_line`."""
    found = ArgumentParser(prog=f"python -m negtrace.steps {definition.name}", allow_abbrev=False)
    for name in definition.labels:
        found.add_argument(f"--{name}", required=True)
    for parameter in definition.given:
        many: dict[str, Any] = {"nargs": "*"} if parameter.is_list else {}
        for option in parameter.options:
            found.add_argument(f"--{option}", type=_type(parameter, option), required=True, **many)
    many = {"nargs": "+"} if definition.of_sweeps else {}
    for name in definition.tables:
        found.add_argument(f"--{name}", type=Path, required=True, **many)
    found.add_argument("--kept")
    found.add_argument("--processes", type=int, default=1)
    return found


def units(definition: Step, options: Namespace) -> Iterator[Namespace]:
    """The options of each run of a step's function: of every sweep, or of all there is.

    Tables of sweeps and outputs become the one that the run is about.

    Raises:
        ValueError: there are more sweeps in one list than in another.
    """
    if not definition.of_sweeps:
        yield options
        return
    listed = {name: getattr(options, name) for name in definition.tables}
    optional = set()
    for parameter in definition.given:
        if parameter.annotation in OF_SWEEPS:
            listed[parameter.name] = getattr(options, parameter.name)
            if parameter.annotation.endswith(" | None"):
                optional.add(parameter.name)
    given = {name: paths for name, paths in listed.items() if paths or name not in optional}
    for paths in zip(*given.values(), strict=True):
        one = dict(zip(given, paths, strict=True))
        of_unit: dict[str, Any] = {n: [one[n]] if n in optional else one[n] for n in one}
        for parameter in definition.given:
            if parameter.annotation == "SweepEntry":
                site, _ = sweep_of(next(iter(one.values())))
                of_unit[parameter.name] = getattr(options, parameter.name).get(site)
        yield Namespace(**{**vars(options), **of_unit})


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


def _downloads(mirror: str, offline: int, connections: int) -> Downloads:
    from negtrace.fetching.downloads import Downloads

    return Downloads(Path(mirror) if mirror else None, bool(offline), connections)


# What makes a value of several options (`study.step_source.COMPOSED`); its annotations are theirs.
COMPOSERS: dict[str, Callable[..., Any]] = {"Compute": Compute, "Downloads": _downloads}
