"""Parquet in and out: declared columns, provenance in the file, atomic writes."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from negtrace import __version__
from negtrace.errors import InputError
from negtrace.tables.seal import is_sealed, write_sealed
from negtrace.vocabulary import LABELS

TABLES_FILE = Path(__file__).parents[2] / "schemas" / "tables.json"
METADATA_KEY = b"negtrace"
TEMPORARY = ".tmp-"
VERSIONED_PACKAGES = ("torch", "open_clip_torch", "numpy", "pandas", "pyarrow", "pillow")

TYPES = {
    "string": pa.string(),
    "category": pa.dictionary(pa.int32(), pa.string()),
    "bool": pa.bool_(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "vector": pa.list_(pa.float32()),
}


@cache
def table_schema(table: str) -> pa.Schema:
    """The declared columns of a table.

    Raises:
        InputError: no such table in ``schemas/tables.json``.
    """
    declared = json.loads(TABLES_FILE.read_text())
    if table not in declared["tables"]:
        raise InputError(
            f"{TABLES_FILE.name} declares no table {table!r}; "
            f"choose one of {', '.join(declared['tables'])}"
        )
    columns = declared["tables"][table]["columns"]
    shared = {
        name: declared["shared"][name] for name in declared["tables"][table].get("shared", ())
    }
    return pa.schema(
        [
            pa.field(name, TYPES[spec["type"]], nullable=spec.get("null", False))
            for name, spec in {**shared, **columns}.items()
        ]
    )


def write_table(
    frame: pd.DataFrame, path: Path | str, table: str, provenance: Mapping[str, Any]
) -> None:
    """Write a table under a temporary name, then rename it.

    The same frame and provenance give the same bytes.  The file says itself what it is: kind, name,
    what it was made from, and its seal.

    Raises:
        InputError: a column is missing, undeclared, null where it may not be, or of another type.
    """
    schema = table_schema(table)
    missing = [name for name in schema.names if name not in frame.columns]
    extra = [name for name in frame.columns if name not in schema.names]
    if missing or extra:
        raise InputError(
            f"table {table}: missing columns {missing}, undeclared columns {extra}; "
            f"{TABLES_FILE.name} declares what it holds"
        )
    for field in schema:
        if not field.nullable and frame[field.name].isna().any():
            raise InputError(f"table {table}: column {field.name} has nulls")
    try:
        arrow = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"table {table}: {error}") from error
    made = {
        **provenance,
        "table": table,
        "file": Path(path).name,
        "labels": {
            name: str(frame[name].iloc[0])
            for name in LABELS
            if name in schema.names and frame[name].nunique() == 1
        },
        "tables": {
            role: Path(os.path.relpath(file, Path(path).parent)).as_posix()
            for role, file in provenance.get("tables", {}).items()
        },
    }
    metadata = {METADATA_KEY: json.dumps(made, sort_keys=True).encode()}
    with atomic_path(path) as temporary:
        write_sealed(
            arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **metadata}), temporary
        )


def labelled(frame: pd.DataFrame, labels: Mapping[str, Any]) -> pd.DataFrame:
    """The frame with those of the shared columns in front that `labels` has a value for."""
    values = {name: labels[name] for name in LABELS if name in labels}
    return pd.concat([pd.DataFrame(values, index=frame.index), frame], axis=1)


class Source(NamedTuple):
    """A table's file as it was read: path, sha256 and what it says it was made from."""

    path: Path
    sha256: str
    provenance: dict[str, Any]


def read_source(path: Path, table: str | None = None) -> tuple[pd.DataFrame, Source]:
    """Read and check a table as `read_table` does, and say what was read."""
    remedy = "delete it and run again"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    if not is_sealed(data):
        raise InputError(
            f"{path}: not a readable table: damaged, changed since it was written, or older than "
            f"seals; {remedy}"
        )
    schema = pq.read_schema(pa.BufferReader(data))
    made = json.loads(schema.metadata[METADATA_KEY])
    if made["file"] != path.name:
        raise InputError(f"{path}: was written as {made['file']}; {remedy}")
    if made["table"] != (table or made["table"]):
        raise InputError(f"{path}: is a table {made['table']}, not {table}; {remedy}")
    _check_columns(path, schema, made["table"])
    frame = pq.read_table(
        pa.BufferReader(data),
        columns=table_schema(made["table"]).names,
        page_checksum_verification=True,
    ).to_pandas()
    return frame, Source(path, hashlib.sha256(data).hexdigest(), made)


def _check_columns(path: Path, schema: pa.Schema, table: str) -> None:
    """A table that older code wrote is fine as long as it has the columns of today."""
    for field in table_schema(table):
        if field.name not in schema.names:
            raise InputError(f"{path}: has no column {field.name!r}; delete it and run again")
        if (found := schema.field(field.name).type) != field.type:
            raise InputError(
                f"{path}: column {field.name!r} is {found}, not {field.type}; "
                "delete it and run again"
            )


def read_table(path: Path | str, table: str | None = None) -> pd.DataFrame:
    """Read a Parquet table that `write_table` wrote.

    Args:
        path: the file.
        table: the kind that it has to be of.

    Raises:
        InputError: the file is missing, changed since it was written, renamed, of another kind,
            or lacks a column.
    """
    return read_source(Path(path), table)[0]


def read_provenance(path: Path | str) -> dict[str, Any]:
    """What a table says it was made from: the keys of `provenance`, and

    table, file, labels: its kind, its name, and its dataset, model and wording;
    tables: where the tables among its inputs are, from its own folder.
    """
    metadata = pq.read_schema(path).metadata or {}
    stored: dict[str, Any] = json.loads(metadata.get(METADATA_KEY, b"{}"))
    return stored


def provenance(
    step: str,
    *,
    tables: Mapping[str, Source] | None = None,
    inputs: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> dict[str, Any]:
    """What a table was made from; no times and no places, so reruns give equal bytes.

    Args:
        tables: tables by role, as they were read; `write_table` makes their paths relative.
        inputs: sha256 of other files by role, as tables are recorded too.
        params: configuration values that the step used.
        model: identity of the model (see `openclip.load`).
    """
    tables = tables or {}
    return {
        "step": step,
        "negtrace": __version__,
        "inputs": {
            **(inputs or {}),
            **{role: source.sha256 for role, source in tables.items()},
        },
        "tables": {role: str(source.path) for role, source in tables.items()},
        "params": dict(params or {}),
        "model": dict(model) if model else None,
        "seed": seed,
        "versions": versions(),
    }


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for package in VERSIONED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def sha256(path: Path | str) -> str:
    """Hex digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_files(paths: Iterable[Path]) -> str:
    """One digest of many files, names included, in the given order."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}:{sha256(path)}\n".encode())
    return digest.hexdigest()


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path`, with its ending, that takes its place on success.

    On an error the temporary file is removed and an existing `path` stays as it was.  The name is
    unique, because a job that outlives a killed run may write the same file as its successor.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}{path.suffix}"
    # Made by open, not by tempfile: umask, default access lists and the folder's group count.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(data: bytes, path: Path | str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(text: str, path: Path | str) -> None:
    write_bytes(text.encode(), path)


def write_json(value: Any, path: Path | str) -> None:
    write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", path)
