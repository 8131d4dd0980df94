"""Code hashes: of the code that a step uses, so that edits rerun what they affect and no more.

A step's code is its own function with the definitions beside it that it uses, every module of the
library that these import, directly or not, and of the vocabulary the definitions that any of them
uses.  Rules carry the hash as a parameter: Snakemake reruns a job when its parameters change.
Standard library only, because it runs whenever the job graph is built.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from negtrace.study import step_source

PACKAGE = Path(__file__).parents[1]
VOCABULARY = "negtrace.vocabulary"

# Never changes a result: version, errors, progress and the command line.
COSMETIC = {
    "negtrace",
    "negtrace.errors",
    "negtrace.limits",
    "negtrace.messages",
    "negtrace.progress",
    "negtrace.steps.job",
}

# Folders of files, other than modules, that a module reads.
DATA_FOLDERS = {
    "negtrace.report.page": PACKAGE.parent / "report",
    "negtrace.replication.published": PACKAGE.parent / "published",
}


class Definitions(NamedTuple):
    """Top-level definitions of a module and the imports that they use."""

    sources: dict[str, str]
    imported: set[tuple[str, str]]  # module, and the name taken from it


@cache
def code_hash(step: str) -> str:
    """First 16 hex digits of the sha256 of all code that a step uses."""
    definition = step_source.steps()[step]
    own = own_definitions(step)
    modules = closure(own.imported)
    words = {name for module in modules for origin, name in imports(module) if origin == VOCABULARY}
    words |= {name for origin, name in own.imported if origin == VOCABULARY}
    parts = [*sorted(own.sources.items())]
    parts += [(name, _text(name)) for name in sorted(modules)]
    parts += sorted(used_definitions(VOCABULARY, words).sources.items())
    parts += [(kind, table_structure(kind)) for kind in sorted(definition.tables.values())]
    digest = hashlib.sha256()
    for name, source in parts:
        digest.update(f"{name}\n{source}\n".encode())
    for module in sorted(modules & DATA_FOLDERS.keys()):
        for file in sorted(path for path in DATA_FOLDERS[module].rglob("*") if path.is_file()):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def own_definitions(step: str) -> Definitions:
    """A step's function, with the definitions beside it that it uses."""
    return used_definitions(f"negtrace.steps.{step_source.steps()[step].stage}", [step])


def closure(imported: Iterable[tuple[str, str]]) -> set[str]:
    """The modules of the library behind some imports, directly or not; no vocabulary."""
    found: set[str] = set()
    waiting = {module for module, _ in imported}
    while waiting:
        module = waiting.pop()
        if module not in found and module not in COSMETIC and module != VOCABULARY:
            found.add(module)
            waiting |= {origin for origin, _ in imports(module)}
    return found


@cache
def module_file(module: str) -> Path:
    """Source file of a negtrace module."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def imports(module: str) -> frozenset[tuple[str, str]]:
    """(module, name) of all that a module imports from the library anywhere, functions included."""
    return frozenset(_imports_in(module, _parsed(module)))


def used_definitions(module: str, names: Iterable[str]) -> Definitions:
    """Top-level definitions of a module that some of its names use, directly or not.

    A function's own imports count as its definition's; the module's count where their name is used.
    """
    lines, defined, bound = _top_level(module)
    found = Definitions({}, set())
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.imported.update(bound.get(name, ()))
        if name in defined and name not in found.sources:
            node = defined[name]
            decorators = getattr(node, "decorator_list", [])
            above = "".join(f"@{ast.unparse(decorator)}\n" for decorator in decorators)
            # Not ast.get_source_segment, which divides the module into lines anew each time.
            found.sources[name] = above + "\n".join(lines[node.lineno - 1 : node.end_lineno])
            found.imported.update(_imports_in(module, node))
            waiting |= _free_names(node)
    return found


@cache
def _top_level(
    module: str,
) -> tuple[list[str], dict[str, ast.stmt], dict[str, set[tuple[str, str]]]]:
    """A module's lines, its statements by what they define, its imports by what they bind."""
    defined: dict[str, ast.stmt] = {}
    bound: dict[str, set[tuple[str, str]]] = {}
    for node in _parsed(module).body:
        for name in _names_of(node):
            defined[name] = node
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                taken = _imports_in(module, node, alias)
                bound.setdefault(alias.asname or alias.name.split(".")[0], set()).update(taken)
    return _text(module).splitlines(), defined, bound


@cache
def _free_names(node: ast.stmt) -> set[str]:
    """Names that a definition uses and does not bind itself."""
    used, own = set(), set()
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name):
                own.add(name)
            case ast.arg(arg=name):
                own.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                own |= {alias.asname or alias.name.split(".")[0] for alias in names}
    return used - own


def _names_of(node: ast.stmt) -> list[str]:
    """What a top-level statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    walked = (found for target in targets if target for found in ast.walk(target))
    return [found.id for found in walked if isinstance(found, ast.Name)]


def _imports_in(module: str, tree: ast.AST, only: ast.alias | None = None) -> set[tuple[str, str]]:
    """(module, name) of the library's modules that are imported anywhere in a tree."""
    found: set[tuple[str, str]] = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            aliases = [a for a in node.names if only in (None, a)]
            found |= {(alias.name, "") for alias in aliases if _is_module(alias.name)}
        elif isinstance(node, ast.ImportFrom):
            origin = _absolute(module, node)
            for alias in (a for a in node.names if only in (None, a)):
                # `from negtrace import x` may name a module, `from negtrace.errors import x` not.
                inner = f"{origin}.{alias.name}"
                if _is_module(inner):
                    found.add((inner, ""))
                elif _is_module(origin):
                    found.add((origin, alias.name))
    return found


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """A tree and all statements in it; their expressions, which are most of it, left out."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for field in ("body", "orelse", "handlers", "finalbody", "cases"):
            inner = getattr(node, field, ())
            if isinstance(inner, list):
                waiting += inner


def table_structure(table: str) -> str:
    """A table's columns and types as JSON, without the descriptions, which change no file."""
    declared = step_source.declared()
    shared = {
        name: declared["shared"][name] for name in declared["tables"][table].get("shared", ())
    }
    columns = {**shared, **declared["tables"][table]["columns"]}
    return json.dumps(
        [[name, spec["type"], spec.get("null", False)] for name, spec in columns.items()]
    )


@cache
def _text(module: str) -> str:
    return module_file(module).read_text(encoding="utf-8")


@cache
def _parsed(module: str) -> ast.Module:
    return ast.parse(_text(module))


def _absolute(module: str, node: ast.ImportFrom) -> str:
    """The module that a from-import names, relative ones resolved."""
    if not node.level:
        return node.module or ""
    is_package = module_file(module).name == "__init__.py"
    package = module.split(".")[: len(module.split(".")) - node.level + is_package]
    return ".".join([*package, *filter(None, [node.module])])


@cache
def _is_module(name: str) -> bool:
    return name.split(".")[0] == "negtrace" and module_file(name).is_file()
