"""Donor values: what a patch from the negated run does, beside the same patch from another donor.

A donor of the same base sentence (placebo, transfer) is swept like the real source; its change of
the score has the same base score, orientation and d as the real change in the same cell.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from negtrace.errors import InputError
from negtrace.statistics.map_values import CELL, item_values

# Logits: more than bfloat16 moves a score by; another model or picture moves most scores further.
SAME_SCORE = 1.0


def donor_values(
    donor: str,
    sweep: pd.DataFrame,
    scores: pd.DataFrame,
    donor_sweep: pd.DataFrame,
    donor_scores: pd.DataFrame,
    segments: pd.DataFrame,
) -> pd.DataFrame:
    """Values of the real sweep beside those of a donor's, by item and cell.

    The k-th token of a role goes with the k-th in the other sweep.

    Args:
        donor: its name, for messages.
        sweep, scores: tables of those names, of one model and wording.
        donor_sweep, donor_scores: those of the same base sentences with the donor's sentence as
            source.
        segments: table ``segments``; items that are not in it are left out.

    Returns:
        the columns of `map_values.item_values`, and change_donor, for values that both sweeps have.

    Raises:
        InputError: the sweeps share no value, or do not belong together; see also
            `map_values.item_values`.
    """
    of_item = ["item_id", *CELL]
    key = [*of_item, "token"]
    real, other = (
        values.assign(
            token=values.groupby(of_item, observed=True, dropna=False, sort=False).cumcount()
        )
        for values in (
            item_values(sweep, scores, segments),
            item_values(donor_sweep, donor_scores, segments),
        )
    )
    both = real.merge(
        other[[*key, "change"]], on=key, suffixes=("", "_donor"), validate="one_to_one"
    )
    if both.empty:
        raise InputError(
            f"{donor}: its sweep has no item and cell in common with the real study's; "
            "pass sweeps of one model, wording, site and direction"
        )
    check_same_items(donor, scores, donor_scores, both["item_id"])
    return both.drop(columns="token")


def check_same_items(
    donor: str, scores: pd.DataFrame, donor_scores: pd.DataFrame, item_ids: pd.Series
) -> None:
    """Refuse scores of another model, wording or set of pictures.

    A donor exchanges one sentence; the other one and the picture of an item are the same in both
    tables, so its score is.

    Raises:
        InputError: names the first item that differs.
    """
    ids = item_ids.drop_duplicates().astype(object)
    columns = ["negation", "s_affirmative", "s_negated"]
    real, other = (
        table[columns].set_axis(pd.Index(table["item_id"].astype(object))).loc[ids]
        for table in (scores, donor_scores)
    )
    moved = (real[columns[1:]] - other[columns[1:]]).abs().min(axis=1) > SAME_SCORE
    turned = real["negation"].astype(object) != other["negation"].astype(object)
    differs = (moved | turned).to_numpy()
    if differs.any():
        raise InputError(
            f"{donor}: item {ids.iloc[int(np.argmax(differs))]} has other scores of both sentences "
            "or another negation than in the real study; pass scores of one model and wording, of "
            "the same dataset"
        )
