"""What the explorer shows of a run's edges, as plain values for `blocks.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from negtrace.report.blocks import columns
from negtrace.report.value_block import value_block
from negtrace.statistics.edge_cells import EDGE, as_cells
from negtrace.statistics.edge_names import READ_OUT, READS, component, height, reads
from negtrace.vocabulary import ALL

# Edges of a direction that the page holds, and kept ones whose items it holds, the strongest.
MOST_EDGES = 600
MOST_WITH_ITEMS = 60

KEY = ["direction", *EDGE]
PLACEBO = {"placebo": "placebo_difference_donor"}  # as a map's cells have it
LEFT_OUT = ["dataset", "model", "wording", "p", "least", "edge"]


def edge_block(
    edge_map: pd.DataFrame, edges: pd.DataFrame, scores: pd.DataFrame, segments: pd.DataFrame
) -> dict[str, Any]:
    """The strongest edges of each direction, and what each of the kept ones does to every item.

    Args:
        edge_map, edges, scores, segments: tables of those names.

    Returns:
        edges: by column, a row per edge and negation, the strongest of both negations together
        first, with what it reads with, and the number of its list of changes, if any; tested:
        edges by direction; heights: components in blocks, of the read-out None; reads: in words;
        least: share of d of a kept edge; changes: lists as of `value_block`.
    """
    plain = edge_map.astype(dict.fromkeys(KEY, object))
    found = plain.assign(edge=pd.MultiIndex.from_frame(plain[KEY]).to_flat_index())
    both = found[found["negation"] == ALL].sort_values(
        "difference", key=np.abs, ascending=False, kind="stable"
    )
    shown = list(both.groupby("direction", sort=False).head(MOST_EDGES)["edge"])
    kept = set(found.loc[found["kept"], "edge"])
    followed = [edge for edge in shown if edge in kept][:MOST_WITH_ITEMS]
    found = found[found["edge"].isin(shown)].assign(
        reads=found["receiver"].map(reads),
        component=found["receiver"].map(component),
        changes=found["edge"].map({edge: n for n, edge in enumerate(followed)}).astype("Int32"),
    )
    place = {edge: n for n, edge in enumerate(shown)}
    found = found.sort_values("edge", key=lambda edges: edges.map(place), kind="stable")
    rows = edges.groupby(KEY, observed=True, sort=False).indices
    ends = sorted({*found["sender"], *found["component"]})
    return {
        "edges": columns(found.drop(columns=LEFT_OUT, errors="ignore").rename(columns=PLACEBO)),
        "tested": both.groupby("direction", sort=False).size().to_dict(),
        "heights": {name: None if name == READ_OUT else height(name) for name in ends},
        "reads": READS,
        "least": float(edge_map["least"].iloc[0]) if len(edge_map) else 0.0,
        "changes": [_changes(edges.iloc[rows[edge]], scores, segments) for edge in followed],
    }


def _changes(
    of_edge: pd.DataFrame, scores: pd.DataFrame, segments: pd.DataFrame
) -> list[int | None]:
    """Change of every item's score by an edge, in the order of `segments`."""
    values: list[list[int | None]] = value_block(as_cells(of_edge), scores, segments)["changes"]
    return values[0]
