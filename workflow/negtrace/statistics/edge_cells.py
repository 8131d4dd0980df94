"""Edges as cells: they are numbered, and the number stands where a cell has its layer."""

from __future__ import annotations

import pandas as pd

EDGE = ["sender", "receiver", "role"]


def as_cells(edges: pd.DataFrame) -> pd.DataFrame:
    """Edges as a table ``sweep``, whose layer is an edge's number, in order of first appearance.

    Args:
        edges: table ``edges``.
    """
    plain = edges.astype(dict.fromkeys(EDGE, object))
    nothing = pd.array([pd.NA] * len(edges), dtype="Int16")
    return plain.assign(
        layer=plain.groupby(EDGE, sort=False).ngroup(),
        head=nothing,
        position=nothing,
        site="edge",
        eligible=True,
        known=False,
    )
