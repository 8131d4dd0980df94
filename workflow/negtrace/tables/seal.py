"""A Parquet file's seal: the hash of all its other bytes, kept in its own footer.

Whatever changes the file afterwards, one bit or a rewrite that keeps the metadata, breaks the seal.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

KEY = b"negtrace.sha256"
DIGITS = 64
# Thrift writes a string's field header and its length between key and value.
GAP = b"\x18\x40"


def write_sealed(table: pa.Table, path: Path) -> None:
    """Write a Parquet file with page checksums and a seal; equal tables give equal bytes."""
    options = {"compression": "zstd", "write_page_checksum": True}
    with pq.ParquetWriter(path, table.schema, **options) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({KEY.decode(): "0" * DIGITS})
    data = path.read_bytes()
    start = _place(data)
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(_digest(data, start))


def is_sealed(data: bytes) -> bool:
    """Whether a file's bytes are those that `write_sealed` left."""
    start = _place(data)
    return start > 0 and data[start : start + DIGITS] == _digest(data, start)


def _place(data: bytes) -> int:
    """Where the seal's digits begin; 0 if there is none."""
    found = data.rfind(KEY + GAP)
    return found + len(KEY + GAP) if found >= 0 else 0


def _digest(data: bytes, start: int) -> bytes:
    view, digest = memoryview(data), hashlib.sha256()
    for part in (view[:start], b"0" * DIGITS, view[start + DIGITS :]):
        digest.update(part)
    return digest.hexdigest().encode()
