"""Specificity: what patching does for a negation and does not do for a neutral word swap.

Both studies patch the same items with the same pictures and the same affirmative sentences; in
place of the negated sentence the neutral study has one with a neutral word in the negator's slot
(`controls.neutral_swap`).  The specific effect of a cell is the mean, over values, of

    change(negation) - change(neutral)      [logits]

each oriented as in `effect_sizes.py`: by whether the source sentence is the item's caption, which
the neutral sentence inherits from the negated one it stands for.  A swap that moves scores the same
way whatever the picture has opposite signs in caption and foil items: it cancels over both, but
not within one negation.  Specific effects are differences in logits, and a negation moves scores
further than a neutral word; the two ratios of means are free of that scale.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from negtrace.errors import InputError
from negtrace.statistics.effect_sizes import (
    CELL,
    DEFAULTS,
    TESTS,
    Options,
    by_cell,
    estimates,
    item_values,
    maps,
    pair_sums,
)

COLUMNS = [
    *("negation", "segment", *CELL),
    *("difference_negation", "difference_neutral"),
    *("specific", "specific_ci_low", "specific_ci_high", *TESTS),
    *("ratio_negation", "ratio_neutral"),
    *("n", "n_items", "n_pairs"),
]

# Of `effect_sizes.estimates`, when a value's change is the specific one.
ESTIMATED = {
    "difference": "specific",
    "difference_ci_low": "specific_ci_low",
    "difference_ci_high": "specific_ci_high",
    **{name: name for name in TESTS},
}

# Logits: more than bfloat16 moves a score by; another model or picture moves most scores further.
SAME_SCORE = 1.0


def specific_effects(
    sweep_negation: pd.DataFrame,
    scores_negation: pd.DataFrame,
    sweep_neutral: pd.DataFrame,
    scores_neutral: pd.DataFrame,
    segments: pd.DataFrame,
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """Specific effect of every cell, within every group of items.

    Args:
        sweep_negation, scores_negation: tables ``sweep`` and ``scores`` of the real study, of one
            model and wording.
        sweep_neutral, scores_neutral: those of its neutral control, same model and wording.
        segments: table ``segments`` of the real study; items that are not in it are left out.

    Returns:
        `COLUMNS`.  Means of both oriented changes and of their difference `specific` (logits), on
        the values that both studies have; its interval and sign-flip tests by the pairs of the
        real study, the family of corrected p-values being one map; sum(change) / sum(d) of each
        study (unbounded where the neutral swap's d sum to about 0); n (values), n_items, n_pairs.

    Raises:
        InputError: the studies share no value, or do not belong together; see also
            `effect_sizes.item_values`.
    """
    values = paired_values(
        item_values(sweep_negation, scores_negation, segments),
        item_values(sweep_neutral, scores_neutral, segments),
    )
    check_same_items(scores_negation, scores_neutral, values["item_id"])
    parts = []
    for negation, segment, part in maps(values, segments):
        specific = part.assign(change=part["change"] - part["change_neutral"])
        sums = pair_sums(specific)
        found = estimates(sums, options)[list(ESTIMATED)].rename(columns=ESTIMATED)
        # In order of first appearance, as the cells of `pair_sums`.
        table = by_cell(part).agg(
            difference_negation=("change", "mean"),
            difference_neutral=("change_neutral", "mean"),
            d=("d", "mean"),
            d_neutral=("d_neutral", "mean"),
            n=("item_id", "size"),
            n_items=("item_id", "nunique"),
            n_pairs=("pair_id", "nunique"),
        )
        table = pd.concat([sums.cells, found, table.reset_index(drop=True)], axis=1)
        parts.append(
            table.assign(
                negation=negation,
                segment=segment,
                ratio_negation=table["difference_negation"] / table["d"],
                ratio_neutral=table["difference_neutral"] / table["d_neutral"],
            )
        )
    whole: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return whole[COLUMNS]


def paired_values(negation: pd.DataFrame, neutral: pd.DataFrame) -> pd.DataFrame:
    """Values of the negation beside those of the neutral swap, by item and cell.

    The k-th token of a role goes with the k-th in the other study.

    Args:
        negation, neutral: as `effect_sizes.item_values` returns them.

    Returns:
        `negation`, with the columns change_neutral and d_neutral, without values that the neutral
        study lacks.

    Raises:
        InputError: none is left.
    """
    of_item = ["item_id", *CELL]
    key = [*of_item, "token"]
    numbered, other = (
        table.assign(
            token=table.groupby(of_item, observed=True, dropna=False, sort=False).cumcount()
        )
        for table in (negation, neutral)
    )
    paired = numbered.merge(
        other[[*key, "change", "d"]], on=key, suffixes=("", "_neutral"), validate="one_to_one"
    )
    if paired.empty:
        raise InputError(
            "control neutral: its sweep has no item and cell in common with the real study's; "
            "pass sweeps of one model, wording, site and direction"
        )
    return paired.drop(columns="token")


def check_same_items(negation: pd.DataFrame, neutral: pd.DataFrame, item_ids: pd.Series) -> None:
    """Refuse scores of another model, wording or set of pictures.

    The affirmative sentence and the picture of an item are the same in both, so its score is.

    Raises:
        InputError: names the first item that differs.
    """
    columns = ["negation", "s_affirmative"]
    ids = item_ids.drop_duplicates().astype(object)
    real, control = (
        scores[columns].set_axis(pd.Index(scores["item_id"].astype(object))).loc[ids]
        for scores in (negation, neutral)
    )
    moved = (real["s_affirmative"] - control["s_affirmative"]).abs() > SAME_SCORE
    turned = real["negation"].astype(object) != control["negation"].astype(object)
    differs = (moved | turned).to_numpy()
    if differs.any():
        raise InputError(
            f"control neutral: item {ids.iloc[int(np.argmax(differs))]} has another affirmative "
            "score or negation than in the real study; pass scores of one model and wording, and "
            "the neutral control of the same dataset"
        )
