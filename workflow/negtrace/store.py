"""Parquet in and out: declared columns, provenance in the file, atomic writes."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from negtrace import __version__
from negtrace.errors import InputError

TABLES_FILE = Path(__file__).parents[1] / "schemas" / "tables.json"
METADATA_KEY = b"negtrace"
LABELS = ("dataset", "model", "wording")
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

    The same frame and provenance give the same bytes.

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
    metadata = {METADATA_KEY: json.dumps(provenance, sort_keys=True).encode()}
    with atomic_path(path) as temporary:
        pq.write_table(
            arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **metadata}),
            temporary,
            compression="zstd",
        )


def labelled(frame: pd.DataFrame, labels: Mapping[str, Any]) -> pd.DataFrame:
    """The frame with those of the shared columns in front that `labels` has a value for."""
    values = {name: labels[name] for name in LABELS if name in labels}
    return pd.concat([pd.DataFrame(values, index=frame.index), frame], axis=1)


def read_table(
    path: Path | str, table: str | None = None, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read a Parquet table.

    Args:
        path: the file.
        table: read the columns that are declared for this table, all of which must be there.
        columns: read only these.

    Raises:
        InputError: the file is missing, damaged or lacks a column.
    """
    try:
        found = pq.read_schema(path).names
        wanted = list(table_schema(table).names) if table else found
        missing = [name for name in (*wanted, *(columns or ())) if name not in found]
        if missing:
            raise InputError(f"{path}: has no column {missing[0]!r}; delete it and run again")
        return pq.read_table(path, columns=list(columns) if columns else wanted).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: not a readable table ({error}); delete it and run again"
        ) from error


def read_provenance(path: Path | str) -> dict[str, Any]:
    """The provenance that a table was written with."""
    metadata = pq.read_schema(path).metadata or {}
    return json.loads(metadata.get(METADATA_KEY, b"{}"))


def provenance(
    step: str,
    *,
    inputs: Mapping[str, Path | str] | None = None,
    params: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> dict[str, Any]:
    """What a table was made from; holds no times and no paths, so reruns give equal bytes.

    Args:
        inputs: files by role; recorded by sha256.
        params: configuration values that the step used.
        model: identity of the model (see `openclip.load`).
    """
    return {
        "step": step,
        "negtrace": __version__,
        "inputs": {role: sha256(path) for role, path in (inputs or {}).items()},
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
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
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
