"""Placebo: what patching does for a negation and does not do for a source without one.

The same cell of the same base sentence is patched twice: from the source run, and from a placebo,
which carries no negation: the neutral swap of the same sentence (`controls.neutral_swap`) or a
random direction of the same norm.  Both changes are oriented alike and have the same d, so that

    ratio_placebo = sum(change by the placebo) / sum(d)

is what the map would show of selection and of damage to the base sentence alone.  The *specific*
effect of a cell is the mean, over values of all items, of

    change - change by the placebo      [logits]

Within a segment it has no meaning, because d, by which the segment was selected, belongs to one of
the two: exchangeable sources differ there (docs/calibration.md).

A neutral word moves scores less than a negation does; only a random direction is as large as the
real change.  A placebo that moves scores the same way whatever the picture has opposite signs in
caption and foil items: it cancels over both, but not within one negation.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from negtrace.statistics.donor_values import donor_values
from negtrace.statistics.effect_sizes import DEFAULTS, TESTS, Options, estimates
from negtrace.statistics.map_values import CELL, by_cell, maps, pair_sums
from negtrace.vocabulary import ALL

SPECIFIC = ["specific", "specific_ci_low", "specific_ci_high", *TESTS]
COLUMNS = [
    *("negation", "segment", *CELL, "known"),
    *("difference", "difference_placebo", *SPECIFIC),
    *("ratio", "ratio_ci_low", "ratio_ci_high"),
    *("ratio_placebo", "ratio_placebo_ci_low", "ratio_placebo_ci_high"),
    *("n", "n_items", "n_pairs"),
]


def placebo_map(
    sweep: pd.DataFrame,
    scores: pd.DataFrame,
    placebo_sweep: pd.DataFrame,
    placebo_scores: pd.DataFrame,
    segments: pd.DataFrame,
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """Real and placebo effect of every cell, within every group of items.

    Args:
        sweep, scores, placebo_sweep, placebo_scores, segments: see `donor_values.donor_values`.

    Returns:
        `COLUMNS`, on the values that both sweeps have: means of both changes and, over all items,
        `specific` (logits) with its interval and sign-flip tests, the family of corrected
        p-values being one map; both ratios to the real d; n (values), n_items, n_pairs.  `specific`
        and its tests are null in segments, the tests in cells that are `known`.

    Raises:
        InputError: see `donor_values.donor_values`.
    """
    tables = (sweep, scores, placebo_sweep, placebo_scores, segments)
    values = donor_values("placebo", *tables)
    parts = []
    for negation, segment, part in maps(values, segments):
        sums = pair_sums(part)
        real = estimates(sums, options, tested=False)
        placebo = estimates(pair_sums(part.assign(change=part["change_donor"])), options, False)
        rest = estimates(
            pair_sums(part.assign(change=part["change"] - part["change_donor"])),
            options,
            tested=segment == ALL,
        )
        ends = ("", "_ci_low", "_ci_high")
        counts = by_cell(part).agg(
            n=("item_id", "size"), n_items=("item_id", "nunique"), n_pairs=("pair_id", "nunique")
        )
        table = pd.concat([sums.cells, counts.reset_index(drop=True)], axis=1).assign(
            negation=negation,
            segment=segment,
            known=sums.by_definition,
            difference=real["difference"],
            difference_placebo=placebo["difference"],
            **{f"ratio{end}": real[f"ratio{end}"] for end in ends},
            **{f"ratio_placebo{end}": placebo[f"ratio{end}"] for end in ends},
            **{f"specific{end}": rest[f"difference{end}"] for end in ends},
            **{name: rest[name] for name in TESTS},
        )
        if segment != ALL:
            table[SPECIFIC] = np.nan
        parts.append(table)
    whole: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return whole[COLUMNS]
