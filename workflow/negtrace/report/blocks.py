"""Blocks: values as compressed JSON inside the page, unpacked by its script when one is opened."""

from __future__ import annotations

import gzip
import json
import math
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

import pandas as pd

DIGITS = 4


def packed(value: Any) -> str:
    """JSON, gzipped, in base64; the same value gives the same text."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def columns(table: pd.DataFrame) -> dict[str, list[Any]]:
    """A table as lists by column: floats to `DIGITS` significant digits, None for none."""
    return {str(name): plain(table[name]) for name in table}


def plain(values: Iterable[Any]) -> list[Any]:
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA:
        return None
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):  # JSON has no such numbers
        return None
    rounded = float(f"{value:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() else rounded
