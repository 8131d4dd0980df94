"""Figures by name: which function draws each from its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

import pandas as pd
from matplotlib.figure import Figure

from negtrace.vocabulary import FIGURES

Draw = TypeVar("Draw", bound=Callable[..., Figure])

_DRAWN_BY: dict[str, Callable[..., Figure]] = {}


def draws(name: str) -> Callable[[Draw], Draw]:
    """Register a function ``(*tables, settings) -> Figure`` as what draws a figure.

    Its tables are those that the vocabulary names.

    Raises:
        KeyError: the vocabulary has no such figure.
    """

    def register(draw: Draw) -> Draw:
        _DRAWN_BY[FIGURES[name].name] = draw
        return draw

    return register


def drawings(
    tables: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]
) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """(name, what draws it) of every registered figure whose tables are all there."""
    for name, draw in _DRAWN_BY.items():
        names = FIGURES[name].tables
        if all(table in tables for table in names):
            yield name, partial(draw, *(tables[table] for table in names), settings)
