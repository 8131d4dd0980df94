"""Which rows of a map are shown and described, and in what words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from negtrace.study.interventions import site_of
from negtrace.vocabulary import ALL, NEGATIONS, Negation, Site


def sides(table: pd.DataFrame) -> list[Negation]:
    """Where the negation of a table's items is; of some contrasts it is always the caption.

    Returns:
        in the order of figures; both if there are no items.
    """
    found = set(table["negation"])
    return [n for n in NEGATIONS if n in found] or list(NEGATIONS)


def shown_site(table: pd.DataFrame, settings: Mapping[str, Any]) -> Site:
    """The site, or the study's own intervention, that a map is of."""
    return site_of(str(table["site"].iloc[0]), settings.get("interventions", {}))


def available_segment(table: pd.DataFrame, wanted: str) -> str:
    """The wanted segment if every negation that has items has some in it, else all items."""
    return ALL if negations_without(table, wanted) else wanted


def negations_without(table: pd.DataFrame, segment: str) -> list[str]:
    """The negations that have items in a map, but none in the segment."""
    with_items = set(table["negation"])
    inside = set(table.loc[table["segment"] == segment, "negation"])
    return [n for n in NEGATIONS if n in with_items and n not in inside]


def segment_label(table: pd.DataFrame, wanted: str) -> str:
    """The items that are shown, in words; says so where they are not the wanted ones."""
    missing = negations_without(table, wanted)
    if missing:
        return f"all items (none is {wanted} with the negation in {' or '.join(missing)})"
    return "all items" if wanted == ALL else f"{wanted} items"


def shown_rows(table: pd.DataFrame, wanted: str) -> pd.DataFrame:
    """Rows of the segment that the figures show too, what is described under the name `mean`."""
    rows = table[table["segment"] == available_segment(table, wanted)]
    return (rows.assign(mean=rows["ratio"]) if "ratio" in rows else rows).dropna(subset=["mean"])


def listed(parts: Iterable[str]) -> str:
    """a, b and c."""
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last
