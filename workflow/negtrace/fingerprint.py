"""Fingerprints: a hash of the code that a step uses, so that edits rerun what they affect.

A step's code is its own module and every negtrace module it imports, directly or not.  Rules carry
the hash as a parameter: Snakemake reruns a job when its parameters change.  Standard library only,
because it runs whenever the job graph is built.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent

# Never changes a result: errors, progress and the command line.
COSMETIC = {"negtrace", "negtrace.errors", "negtrace.progress", "negtrace.steps"}

# Files other than modules that a module reads.
DATA_FILES = {
    "negtrace.report": ("../report",),
}


@cache
def code_hash(step: str) -> str:
    """First 16 hex digits of the sha256 of all code that ``negtrace.steps.<step>`` uses."""
    digest = hashlib.sha256()
    for module in sorted(closure(f"negtrace.steps.{step}") - COSMETIC):
        digest.update(module.encode())
        digest.update(module_file(module).read_bytes())
        for folder in DATA_FILES.get(module, ()):
            for file in sorted((PACKAGE / folder).rglob("*")):
                if file.is_file():
                    digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def closure(module: str) -> set[str]:
    """A module and all negtrace modules that it imports, directly or not."""
    found, waiting = set(), [module]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += imports(module_file(current))
    return found


def module_file(module: str) -> Path:
    """Source file of a negtrace module."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imports(file: Path) -> list[str]:
    """The negtrace modules that a file imports anywhere, functions included."""
    modules = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            modules += [name for name in names if _is_module(name)] or [node.module]
    return [name for name in modules if name.split(".")[0] == "negtrace" and _is_module(name)]


def _is_module(name: str) -> bool:
    return name.split(".")[0] == "negtrace" and module_file(name).is_file()
