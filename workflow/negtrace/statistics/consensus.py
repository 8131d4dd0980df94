"""Consensus: which cells hold in many groups of values (templates, negators), beside any of them.

A cell *holds* in a group if its change is above 0 by max-T over the cells of all groups at once
(`families.joint_p`), a cluster keeping one sign everywhere.  With probability 1 - alpha or more no
cell is then taken to hold anywhere where its mean change is 0 or less, so neither the union (held
in one group or more) nor the consensus (held in k or more) has a cell too many.  A group in which
a cell does not hold may have too few values: the ratio's interval says what it can still be.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from negtrace.statistics.effect_sizes import Options, estimates
from negtrace.statistics.families import joint_p
from negtrace.statistics.map_values import CELL, cluster_sums

LEVEL_COLUMNS = ["level", *CELL, "ratio", "ratio_ci_low", "ratio_ci_high"]
LEVEL_COUNTS = ["difference", "p_family", "holds", "n_items", "n_clusters"]
CONSENSUS_COLUMNS = [*CELL, "n_levels", "n_holding", "k", "consensus", "union"]
RANGE = ["ratio_lowest", "ratio_highest"]


def by_level(values: pd.DataFrame, level: str, options: Options) -> pd.DataFrame:
    """Restoration of every cell in every group.

    Args:
        values: as of `map_values.item_values`, of one map, with the column `level`, the group of
            each value.
        level: name of the column with the groups.

    Returns:
        `LEVEL_COLUMNS` and `LEVEL_COUNTS`; cells that are known by definition are left out.
    """
    groups = list(values.groupby(level, observed=True, sort=False))
    computed = []
    for _, part in groups:
        sums = cluster_sums(part)
        computed.append(sums.of_cells(~sums.by_definition))
    alpha = 1 - options.level
    tables = []
    for (name, part), sums, p in zip(groups, computed, joint_p(computed, options), strict=True):
        found = estimates(sums, options, tested=False)
        table = pd.concat([sums.cells, found], axis=1)
        tables.append(
            table.assign(
                level=str(name),
                p_family=p,
                holds=(p <= alpha) & (table["difference"] > 0),
                n_items=part["item_id"].nunique(),
                n_clusters=len(sums.clusters),
            )
        )
    return _joined(tables, [*LEVEL_COLUMNS, *LEVEL_COUNTS])


def consensus(levels: pd.DataFrame, k: int | None = None) -> pd.DataFrame:
    """In how many groups each cell holds.

    Args:
        levels: of `by_level`.
        k: how many groups make a consensus; default more than half of those that have the cell.

    Returns:
        `CONSENSUS_COLUMNS` and `RANGE` (lowest and highest ratio of those that have an interval),
        a row per cell.
    """
    bounded = levels["ratio"].where(levels["ratio_ci_low"].notna())
    grouped = levels.assign(ratio=bounded).groupby(CELL, observed=True, dropna=False, sort=False)
    table = grouped.agg(
        n_levels=("level", "size"),
        n_holding=("holds", "sum"),
        ratio_lowest=("ratio", "min"),
        ratio_highest=("ratio", "max"),
    ).reset_index()
    wanted = table["n_levels"] // 2 + 1 if k is None else np.minimum(k, table["n_levels"])
    table = table.assign(k=wanted)
    table = table.assign(consensus=table["n_holding"] >= table["k"], union=table["n_holding"] >= 1)
    return table[[*CONSENSUS_COLUMNS, *RANGE]]


def _joined(tables: Sequence[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    if not tables:
        return pd.DataFrame(columns=columns)
    return pd.concat(tables, ignore_index=True)[columns]
