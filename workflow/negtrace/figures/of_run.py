"""All figures of one dataset, model and wording."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

# Imported for the figures that they register.
from negtrace.figures import (
    attention,
    attribution,
    circuit,
    confirmation,
    directions,
    features,
    histogram_of_d,
    maps,
    mechanism,
    mending,
)
from negtrace.figures.donors import transfer_map
from negtrace.figures.registry import drawings
from negtrace.study.layout import map_figure, segment_maps, transfer_figure
from negtrace.vocabulary import ALL

__all__ = [
    "attention",
    "attribution",
    "circuit",
    "confirmation",
    "directions",
    "features",
    "figures_of_run",
    "histogram_of_d",
    "maps",
    "mechanism",
    "mending",
]


def figures_of_run(
    tables: Mapping[str, pd.DataFrame],
    sweeps: Mapping[str, pd.DataFrame],
    donor_maps: Mapping[str, pd.DataFrame],
    donors: Sequence[str],
    settings: Mapping[str, Any],
) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """(name, what draws it) of every figure that the tables allow.

    Args:
        tables: by name, those of the study's confirmations included.
        sweeps: ``restoration_map`` of every sweep, as in ``resid.negate``.
        donor_maps: ``donor_map`` of every sweep.
        donors: the study's.
        settings: the configuration's ``figures``, its ``segments`` and the tests' alpha.
    """
    heads = next((table for sweep, table in sweeps.items() if sweep.startswith("head.")), None)
    yield from drawings({**tables, **({} if heads is None else {"head_map": heads})}, settings)
    for sweep, table in sweeps.items():
        yield map_figure(sweep), partial(maps.restoration, table, settings)
    for name, (sweep, segment) in segment_maps(sweeps, settings.get("segment", ALL)).items():
        given = (sweeps[sweep], settings, segment, donor_maps[sweep])
        yield name, partial(maps.segment_map, *given)
    if "transfer" in donors:
        for sweep, table in donor_maps.items():
            yield transfer_figure(sweep), partial(transfer_map, table, settings)
