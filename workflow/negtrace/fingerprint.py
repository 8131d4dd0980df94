"""Fingerprints: a hash of the code that a step uses, so that edits rerun what they affect.

A step's code is its own module and every negtrace module it imports, directly or not.  Rules carry
the hash as a parameter: Snakemake reruns a job when its parameters change.  Standard library only,
because it runs whenever the job graph is built.
"""

from __future__ import annotations

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
TABLES_FILE = PACKAGE.parent / "schemas" / "tables.json"

# Never changes a result: version, errors and their wording, progress and the command line.
COSMETIC = {
    "negtrace",
    "negtrace.errors",
    "negtrace.messages",
    "negtrace.progress",
    "negtrace.steps",
    "negtrace.steps.command",
}

# Folders of files, other than modules, that a module reads.
DATA_FOLDERS = {
    "negtrace.report": PACKAGE.parent / "report",
    "negtrace.published": PACKAGE.parent / "published",
}


@cache
def code_hash(step: str) -> str:
    """First 16 hex digits of the sha256 of all code that ``negtrace.steps.<step>`` uses."""
    module = f"negtrace.steps.{step}"
    digest = hashlib.sha256()
    for name in sorted(closure(module) - COSMETIC):
        digest.update(name.encode())
        digest.update(module_file(name).read_bytes())
        if name in DATA_FOLDERS:
            for file in sorted(path for path in DATA_FOLDERS[name].rglob("*") if path.is_file()):
                digest.update(file.read_bytes())
    for table in sorted(written_tables(module)):
        digest.update(table_structure(table).encode())
    return digest.hexdigest()[:16]


def closure(module: str) -> set[str]:
    """A module and all negtrace modules that it imports, directly or not."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += imports(current)
    return found


def module_file(module: str) -> Path:
    """Source file of a negtrace module."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def imports(module: str) -> tuple[str, ...]:
    """The negtrace modules that a module imports anywhere, functions included."""
    named = []
    for node in ast.walk(_parsed(module)):
        if isinstance(node, ast.Import):
            named += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = _absolute(module, node)
            # `from negtrace import x` may name a module, `from negtrace.store import x` does not.
            named += [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
    return tuple(name for name in named if _is_module(name))


def written_tables(module: str) -> set[str]:
    """Names of the tables that a module's calls of `write_table` write."""
    calls = (node for node in ast.walk(_parsed(module)) if isinstance(node, ast.Call))
    return {
        call.args[2].value
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id == "write_table"
        and len(call.args) > 2
        and isinstance(call.args[2], ast.Constant)
    }


def table_structure(table: str) -> str:
    """A table's columns and types as JSON, without the descriptions, which change no file."""
    declared = json.loads(TABLES_FILE.read_text())
    shared = {
        name: declared["shared"][name] for name in declared["tables"][table].get("shared", ())
    }
    columns = {**shared, **declared["tables"][table]["columns"]}
    return json.dumps(
        [[name, spec["type"], spec.get("null", False)] for name, spec in columns.items()]
    )


@cache
def _parsed(module: str) -> ast.Module:
    return ast.parse(module_file(module).read_text())


def _absolute(module: str, node: ast.ImportFrom) -> str:
    """The module that a from-import names, relative ones resolved."""
    if not node.level:
        return node.module or ""
    is_package = module_file(module).name == "__init__.py"
    package = module.split(".")[: len(module.split(".")) - node.level + is_package]
    return ".".join([*package, *filter(None, [node.module])])


def _is_module(name: str) -> bool:
    return name.split(".")[0] == "negtrace" and module_file(name).is_file()
