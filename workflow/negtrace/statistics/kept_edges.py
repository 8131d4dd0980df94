"""Kept edges: those of an edge map that are drawn, named and make up the circuit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from negtrace.vocabulary import ALL


def kept_edges(edge_map: pd.DataFrame) -> pd.DataFrame:
    """The kept edges of both negations together, the strongest first.

    Args:
        edge_map: table of that name.
    """
    rows = edge_map[(edge_map["negation"] == ALL) & edge_map["kept"]]
    return rows.sort_values("difference", key=np.abs, ascending=False, kind="stable")
