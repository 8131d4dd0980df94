"""Estimates in words, with their intervals."""

from __future__ import annotations

from typing import Any

import pandas as pd

from negtrace.statistics.map_values import ENDS


def with_limits(row: Any, name: str, form: str = ".2f") -> str:
    """An estimate of a row, with its interval where it has one: ``0.39 [0.36, 0.42]``."""
    value, low, high = (getattr(row, f"{name}{end}", None) for end in ENDS)
    limits = "" if pd.isna(low) or pd.isna(high) else f" [{low:{form}}, {high:{form}}]"
    return f"{value:{form}}{limits}"
