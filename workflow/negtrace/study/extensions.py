"""Code of users' own: a Python file that the configuration names, or an entry point of a package.

Imported when Snakemake builds the job graph, which only looks whether it is there: standard library
only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from negtrace.errors import InputError
from negtrace.messages import did_you_mean, listed, one_line

# Groups of entry points; each names a module with the function that a file would have.
READERS, MODELS = "negtrace.readers", "negtrace.models"


def is_code(name: str) -> bool:
    """Whether a name means a file rather than an entry point."""
    return name.endswith(".py")


def installed(group: str) -> dict[str, EntryPoint]:
    """Entry points of a group by name."""
    return {point.name: point for point in entry_points(group=group)}


def check_installed(key: str, group: str, name: str) -> None:
    """An entry point is there.

    Raises:
        InputError: names the key of the configuration, and those that are.
    """
    names = list(installed(group))
    if name not in names:
        hint = did_you_mean(name, names)
        raise InputError(
            f"configuration: {key} is {name!r}, neither a file that ends in .py nor an entry point "
            f"of {group}{hint} (installed: {listed(names) or 'none'})"
        )


def with_versions(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the package of each entry point it uses, so that a new one reruns."""
    changed = deepcopy(dict(config))
    for section, key, group in (("datasets", "kind", READERS), ("models", "family", MODELS)):
        points = installed(group)
        for entry in changed[section].values():
            point = points.get(entry.get(key))
            if point is not None and point.dist is not None:
                entry["installed"] = f"{point.dist.name} {point.dist.version}"
    return changed


def function(group: str, named: str, name: str) -> Callable[..., Any]:
    """A function of a user's.

    Args:
        named: the path of a file, or an entry point of the group.
        name: of the function.

    Raises:
        InputError: the file or package cannot be imported, or has no such function.
    """
    module = called(named, "import", _imported, group, named)
    found = getattr(module, name, None)
    if not callable(found):
        raise InputError(f"{named}: has no function {name}(); add one")
    made: Callable[..., Any] = found
    return made


def called(named: str, what: str, code: Callable[..., Any], *values: Any, **options: Any) -> Any:
    """What code of a user's returns.

    Raises:
        InputError: whatever it raises, in one line that says whose code it is.
    """
    try:
        return code(*values, **options)
    except InputError as error:
        raise InputError(f"{named}: {what} refuses: {error}") from error
    except Exception as error:
        fault = f"{type(error).__name__}: {one_line(error)}"
        raise InputError(f"{named}: {what} fails ({fault}); correct it") from error


def _imported(group: str, named: str) -> Any:
    if not is_code(named):
        return installed(group)[named].load()
    spec = spec_from_file_location(f"negtrace_own_{Path(named).stem}", named)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
