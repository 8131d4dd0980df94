"""Figures by name: which function draws each, from which tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

import pandas as pd
from matplotlib.figure import Figure

from negtrace.vocabulary import FIGURES

Draw = TypeVar("Draw", bound=Callable[..., Figure])


class Drawing(NamedTuple):
    """A function of tables and the configuration's ``figures``, and the names of the tables."""

    draw: Callable[..., Figure]
    tables: tuple[str, ...]


_DRAWINGS: dict[str, Drawing] = {}


def draws(name: str, *tables: str) -> Callable[[Draw], Draw]:
    """Register a function ``(*tables, settings) -> Figure`` as what draws a figure.

    Raises:
        KeyError: the vocabulary has no such figure.
    """

    def register(draw: Draw) -> Draw:
        _DRAWINGS[FIGURES[name].name] = Drawing(draw, tables)
        return draw

    return register


def drawings(
    tables: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]
) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """(name, what draws it) of every registered figure whose tables are all there."""
    for name, drawing in _DRAWINGS.items():
        if all(table in tables for table in drawing.tables):
            given = (tables[table] for table in drawing.tables)
            yield name, partial(drawing.draw, *given, settings)


def drawn_from(name: str) -> tuple[str, ...]:
    """Names of the tables that a figure is drawn from; none of one that is not registered."""
    return _DRAWINGS[name].tables if name in _DRAWINGS else ()
