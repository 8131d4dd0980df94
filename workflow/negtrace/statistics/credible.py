"""Credible cells: those that a sentence may name.

A cell is credible if, over all items, it is no cell that is known by definition, its effect is
significant in its family, and it exceeds what the placebo does there, as far as there is one.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from negtrace.statistics.map_values import CELL, ENDS
from negtrace.vocabulary import ALL

KEY = ["negation", *CELL]

# Restoration or selectivity that is worth a sentence, and how many heads one names.
NOTABLE = 0.1
TOP_HEADS = 3

NO_EFFECT = (
    "Over all items the mean d does not differ from 0 clearly enough for a share of it to be given:"
    " no effect of the negation was found"
)


def over_all_items(table: pd.DataFrame) -> pd.DataFrame:
    """Rows over all items; what is described is called `mean`, and is null where it is unbounded.

    A ratio without a bounded interval is no number: its denominator may be 0.  Its limits are
    called mean_ci_low and mean_ci_high, then.
    """
    rows = table[table["segment"] == ALL]
    if "ratio" not in rows:
        return rows
    bounded = rows["ratio_ci_low"].notna() & rows["ratio_ci_high"].notna()
    return rows.assign(**{f"mean{end}": rows[f"ratio{end}"].where(bounded) for end in ENDS})


def has_effect(table: pd.DataFrame) -> bool:
    """Whether the share that a computed cell has of the effect of both negations can be given."""
    rows = pooled(table)
    computed = rows[~rows["known"]] if "known" in rows else rows
    return bool(computed["mean"].notna().any())


def pooled(table: pd.DataFrame) -> pd.DataFrame:
    """`over_all_items`, of both negations together."""
    rows = over_all_items(table)
    return rows[rows["negation"] == ALL]


def named(table: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Credible rows of both negations together whose share can be given, the highest first.

    Args:
        table: a map, see `credible`.
    """
    rows = pooled(table)
    sure = rows[credible(rows, alpha)].dropna(subset=["mean"])
    cell = [name for name in ("layer", "head", "role") if name in sure]
    return sure.sort_values(["mean", *cell], ascending=[False, *(True for _ in cell)])


def credible(rows: pd.DataFrame, alpha: float) -> pd.Series:
    """Whether each row may be named; every row of a table that has no tests.

    Args:
        rows: of a ``restoration_map``, with the column p_study if `with_study_tests` was there,
            else p_fwer counts; and exceeds_placebo if `with_placebo` was (null: no placebo).
        alpha: level of the family-wise error.
    """
    if "p_fwer" not in rows:
        return pd.Series(True, index=rows.index)
    named = rows["p_study" if "p_study" in rows else "p_fwer"] <= alpha
    if "exceeds_placebo" not in rows:
        return named
    return named & rows["exceeds_placebo"].astype(object).ne(False)  # null: there is no placebo


def family(table: pd.DataFrame) -> str:
    """The family of the p-values that `credible` goes by, in words."""
    return "all maps of the model" if "p_study" in table else "the map"


def with_study_tests(table: pd.DataFrame, tests: pd.DataFrame) -> pd.DataFrame:
    """The map with the column p_study: null in segments, which are no part of the family.

    Args:
        tests: rows of `families.study_tests` of this sweep.
    """
    found = _matched(table, tests, ["p_study"])["p_study"]
    return table.assign(p_study=found.where((table["segment"] == ALL).to_numpy()).to_numpy())


def with_placebo(table: pd.DataFrame, donors: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """The map with the column exceeds_placebo: whether the effect goes significantly beyond it.

    It is null in segments, and everywhere if the sweep has no placebo.  Cells that the placebo does
    not have do not exceed it.

    Args:
        donors: `donor_map.donor_map` of the same sweep.
        alpha: level of the family-wise error over the map.
    """
    placebo = donors[(donors["donor"] == "placebo") & (donors["segment"] == ALL)]
    found = _matched(table, placebo, ["beyond", "p_fwer"]).astype(float)
    same_way = np.sign(found["beyond"]) == np.sign(table["difference"].to_numpy())
    exceeds = pd.Series(((found["p_fwer"] <= alpha) & same_way).to_numpy(), dtype=object)
    tested = (table["segment"] == ALL).to_numpy() & bool(len(placebo))
    return table.assign(exceeds_placebo=exceeds.where(tested, None).to_numpy())


def placebo_change(table: pd.DataFrame, donors: pd.DataFrame) -> np.ndarray:
    """Mean change by the placebo of every cell of a map (logits); null where there is none.

    Args:
        donors: as in `with_placebo`.
    """
    found = _matched(table, donors[donors["donor"] == "placebo"], ["difference_donor"])
    return found["difference_donor"].to_numpy(float)


def _matched(table: pd.DataFrame, other: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Rows of another table for those of a map, in the map's order; null where there is none."""
    plain = {name: object for name in KEY if name != "head"} | {"head": "Int16"}
    right = other[[*KEY, *columns]].astype(plain)
    return (
        table[KEY].astype(plain).merge(right, on=KEY, how="left", validate="many_to_one")[columns]
    )
