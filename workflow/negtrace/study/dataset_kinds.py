"""Kinds of datasets that are files of items: what an entry of each in the configuration may hold.

A module of ``data/readers`` that reads a format says so in a literal, which is taken from its
source: importing it would import pandas, and Snakemake's parse has to be quick::

    READER = {"kind": NAME, "files": {KEY: schema, ...}, "options": {KEY: schema, ...}}

The first of the files holds the items; options are passed on to the reader.  An entry has
``images``, too, and may have ``subjects`` and ``contrast``.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from negtrace.study.extensions import READERS, installed

FOLDER = Path(__file__).parents[1] / "data" / "readers"

# Keys that every entry may have; images it has to have.
SHARED = ("images", "subjects", "contrast")

# Code of a user's own: kind, and the key that names its file.
OWN, CODE = "reader", "code"


class Kind(NamedTuple):
    """Schemas of an entry's keys."""

    files: Mapping[str, Any]
    options: Mapping[str, Any]

    @property
    def file(self) -> str:
        """The key that names the file of items."""
        return next(iter(self.files))


@cache
def kinds() -> dict[str, Kind]:
    """Kinds by name: the library's, and entry points that do not bear one of its names."""
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "READER":
                declared = ast.literal_eval(node.value)
                found[declared["kind"]] = Kind(declared["files"], declared["options"])
    own = found[OWN]
    file = {key: schema for key, schema in own.files.items() if key != CODE}
    return {name: Kind(file, own.options) for name in installed(READERS)} | found


def download_of(entry: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Address (and sha256) of a file of items that is somewhere else; None if it is here."""
    kind = kinds().get(entry["kind"])
    file = entry.get(kind.file) if kind else None
    return file if isinstance(file, Mapping) else None


def downloaded_name(entry: Mapping[str, Any]) -> str | None:
    """What a downloaded file of items is called; its ending, which says its format, stays."""
    download = download_of(entry)
    if download is None:
        return None
    if entry["kind"] == "valse":
        return "existence.json"
    endings = PurePosixPath(urlsplit(download["url"]).path).suffixes[-2:]
    return "items" + "".join(ending for ending in endings if ending[1:].isalnum()).lower()


def with_kinds(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration's schema with all kinds in it."""
    changed = deepcopy(dict(schema))
    dataset = changed["$defs"]["dataset"]
    for name, kind in kinds().items():
        shared = {key: {"$ref": f"#/$defs/{key}"} for key in SHARED}
        entry = {
            "required": ["kind", *kind.files, "images"],
            "additionalProperties": False,
            "properties": {"kind": {"const": name}, **kind.files, **kind.options, **shared},
        }
        of_kind = {"properties": {"kind": {"const": name}}, "required": ["kind"]}
        dataset["properties"]["kind"]["enum"].append(name)
        dataset["allOf"].append({"if": of_kind, "then": entry})
    dataset["properties"]["kind"]["enum"].sort()
    return changed
