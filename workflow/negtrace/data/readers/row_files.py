"""Rows of users: CSV, TSV, JSON, JSON lines and Parquet, plain or gzipped, cell by cell as stored.

A row that does not fit (more or fewer fields than the header, a line that is no JSON object) keeps
its place and gets a fault; cells are never moved.  The first row of data is row 1.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow.parquet as pq

from negtrace.data.readers.json_files import parse_json
from negtrace.data.readers.text_files import endings, read_content, read_text
from negtrace.errors import InputError
from negtrace.messages import one_line

SEPARATORS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)  # Excel's
LARGEST_FIELD = 2**24  # characters


class Rows(NamedTuple):
    """A user's rows.

    Attributes:
        table: columns as in the file, of objects: text, numbers, None, whatever the file holds.
        faults: what is wrong with a row, by its index.
        keys: what the file calls each row, if it does.
    """

    table: pd.DataFrame
    faults: dict[int, str]
    keys: Sequence[str] | None = None


def read_rows(path: str | Path, separator: str | None = None, encoding: str | None = None) -> Rows:
    """A table of a user's, as it is in the file.

    Args:
        path: its ending says which format it is in: one of `READERS`, then perhaps ``.gz``.
        separator: between the fields of a CSV file; found if it is not given.
        encoding: of a text file; found if it is not given.

    Raises:
        InputError: its ending is none of these, or the file as a whole cannot be read.
    """
    path = Path(path)
    ending = endings(path)[0]
    if ending not in READERS:
        raise InputError(
            f"{path}: its ending must say what it is: {', '.join(READERS)}, also with .gz; "
            "rename or convert it"
        )
    if ending == ".parquet":
        return _parquet(path)
    return READERS[ending](read_text(path, encoding), path, separator)


def first_fault(rows: Rows, path: str | Path) -> None:
    """Refuse rows of which one does not fit.

    Raises:
        InputError: names the row.
    """
    for row, fault in rows.faults.items():
        raise InputError(f"{path}: row {row + 1} {fault}; correct or remove it")


def _csv(text: str, path: Path, separator: str | None) -> Rows:
    if announced := _SEPARATOR_LINE.match(text):
        text, separator = text[announced.end() :], separator or announced[1]
    separator = separator or _separator(text)
    if len(separator) != 1 or separator in '"\r\n':
        raise InputError(f"{path}: {separator!r} cannot separate fields; give one character")
    csv.field_size_limit(LARGEST_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] | None = None
    cells: list[list[Any]] = []
    faults: dict[int, str] = {}
    fields: list[Any]
    fault: str | None
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if header is None or reader.line_num > line:
                raise InputError(
                    f"{path}: line {line} opens a quotation mark that is not closed properly "
                    f"({error}); correct it, or double the marks inside a field"
                ) from None
            fields, fault = [], f"(line {line}) is no row of fields ({error})"
        else:
            fault = None
        if not fields and fault is None:  # a blank line
            continue
        if header is None:
            header = [name.strip() for name in fields]
            continue
        if fault is None and len(fields) != len(header):
            fault = f"(line {line}) has {len(fields)} fields, the header has {len(header)}"
        if fault:
            faults[len(cells)], fields = fault, [None] * len(header)
        cells.append(fields)
    return Rows(_table(cells, header or []), faults)


def _separator(text: str) -> str:
    """The separator that cuts the header into most fields; a comma where nothing does."""
    header = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").partition("\n")[0])
    return max(SEPARATORS, key=header.count)


def _tsv(text: str, path: Path, separator: str | None) -> Rows:
    return _csv(text, path, separator or "\t")


def _json(text: str, path: Path, separator: str | None) -> Rows:
    """A list of objects, or an object of objects by key."""
    content = parse_json(text, path)
    keys = None
    if isinstance(content, Mapping):
        keys, content = list(content), list(content.values())
    if not isinstance(content, list) or not any(isinstance(row, Mapping) for row in content):
        raise InputError(
            f"{path}: holds no rows; JSON has to be a list of objects, or an object of objects"
        )
    return _records(content, {}, keys)


def _json_lines(text: str, path: Path, separator: str | None) -> Rows:
    records: list[Any] = []
    faults: dict[int, str] = {}
    for line, written in enumerate(text.split("\n"), start=1):
        if not written.strip():
            continue
        try:
            records.append(parse_json(written, f"line {line}"))
        except InputError as error:
            faults[len(records)] = f"cannot be read ({error})"
            records.append(None)
    if records and not any(isinstance(row, Mapping) for row in records):
        fault = faults.get(0, "it is no object")
        raise InputError(f"{path}: not one of its lines is a JSON object; line 1: {fault}")
    return _records(records, faults)


def _records(
    records: Sequence[Any], faults: dict[int, str], keys: Sequence[str] | None = None
) -> Rows:
    """Rows from JSON objects; what an object lacks is None."""
    found = {
        row: "is no JSON object" for row, record in enumerate(records) if not _is_object(record)
    }
    objects = [record if _is_object(record) else {} for record in records]
    names = list(dict.fromkeys(name for record in objects for name in record))
    cells = [[record.get(name) for name in names] for record in objects]
    return Rows(_table(cells, names), dict(sorted((found | faults).items())), keys)


def _is_object(record: Any) -> bool:
    return isinstance(record, Mapping)


def _parquet(path: Path) -> Rows:
    """Columns as they are stored: what pandas has noted about an index plays no part."""
    source = io.BytesIO(read_content(path)) if endings(path)[1] else path
    try:
        stored = pq.ParquetFile(source).read()
        columns = [column.to_pylist() for column in stored.columns]
    except Exception as error:  # whatever a damaged file makes the reader raise
        fault = getattr(error, "strerror", None) or one_line(error)
        raise InputError(f"{path}: cannot be read ({fault}); check the path and the file") from None
    return Rows(_table(list(zip(*columns, strict=True)), stored.column_names), {})


def _table(cells: Sequence[Sequence[Any]], names: Sequence[str]) -> pd.DataFrame:
    columns = {place: [row[place] for row in cells] for place in range(len(names))}
    table = pd.DataFrame(columns, dtype=object)
    table.columns = pd.Index(list(names), dtype=object)  # a key may be no valid text
    return table


READERS: dict[str, Callable[..., Rows]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".json": _json,
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}
