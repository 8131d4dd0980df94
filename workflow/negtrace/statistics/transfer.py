"""Transfer: how much of what a cell restores comes as well from another sentence's negated run.

Each base sentence is patched from the negated run of another pair with the same edit, roles and
length (`donor_pairs.transfer_partners`).  Over the values that both sweeps have,

    transfer = sum(change by the other pair's run) / sum(change by its own)

1: what the cell carries is generic, a negation of any noun.  0: it is bound to its noun.  That is
no placebo: a head that writes one signal of negation for all nouns has a transfer of 1.  At the
determiner of hidden state 0 it is 1 by definition, because the two tokens are the same.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from negtrace.statistics.donor_values import donor_values
from negtrace.statistics.effect_sizes import DEFAULTS, Options, estimates
from negtrace.statistics.map_values import CELL, by_cell, maps, pair_sums
from negtrace.vocabulary import ALL

COLUMNS = [
    *("negation", *CELL, "difference", "difference_transfer"),
    *("transfer", "transfer_ci_low", "transfer_ci_high"),
    *("ratio", "ratio_transfer", "ratio_transfer_ci_low", "ratio_transfer_ci_high"),
    *("n", "n_items", "n_pairs"),
]


def transfer_map(
    sweep: pd.DataFrame,
    scores: pd.DataFrame,
    transfer_sweep: pd.DataFrame,
    transfer_scores: pd.DataFrame,
    segments: pd.DataFrame,
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """Transfer of every cell over all items, by negation.

    Intervals are over pairs with the partners that were drawn.

    Args:
        sweep, scores, transfer_sweep, transfer_scores, segments: see `donor_values.donor_values`.

    Returns:
        `COLUMNS`: means of both changes (logits); `transfer` with its interval, null where the
        cell's own change may be 0; both ratios to the real d; n (values), n_items, n_pairs.

    Raises:
        InputError: see `donor_values.donor_values`.
    """
    tables = (sweep, scores, transfer_sweep, transfer_scores, segments)
    values = donor_values("transfer", *tables)
    parts = []
    for negation, segment, part in maps(values, segments):
        if segment != ALL:
            continue
        sums = pair_sums(part)
        other = part.assign(change=part["change_donor"])
        of_d = estimates(pair_sums(other), options, tested=False)
        of_change = estimates(pair_sums(other.assign(d=part["change"])), options, tested=False)
        counts = by_cell(part).agg(
            n=("item_id", "size"), n_items=("item_id", "nunique"), n_pairs=("pair_id", "nunique")
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            table = pd.concat([sums.cells, counts.reset_index(drop=True)], axis=1).assign(
                negation=negation,
                difference=sums.change.sum(0) / sums.n.sum(0),
                ratio=sums.change.sum(0) / sums.d.sum(0),
                difference_transfer=of_d["difference"],
            )
        for end in ("", "_ci_low", "_ci_high"):
            table[f"ratio_transfer{end}"] = of_d[f"ratio{end}"]
            table[f"transfer{end}"] = of_change[f"ratio{end}"]
        parts.append(bounded(table))
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def bounded(table: pd.DataFrame) -> pd.DataFrame:
    """No transfer of a cell that restores nothing: its denominator may be 0."""
    return table.assign(transfer=table["transfer"].where(table["transfer_ci_low"].notna()))
