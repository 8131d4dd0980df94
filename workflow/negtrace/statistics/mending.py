"""Statistics of mending: a model before and after an edit, on the same items.

Differences are paired by item and their intervals are over clusters, as in `effect_sizes.py`.
Where no item of these gets right or wrong, a share's interval is as wide as other items may do so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from negtrace.statistics.clusters import FEWEST_CLUSTERS
from negtrace.statistics.effect_sizes import DEFAULTS, Options, interval_of
from negtrace.statistics.map_values import ROUNDING
from negtrace.statistics.resampling import share_interval
from negtrace.vocabulary import ALL

# Largest rank that counts as found.
RECALLS = (1, 5)
BY_NEGATION = ("accuracy", "mean_d")
COLUMNS = [
    *("measure", "negation", "before", "after", "difference", "difference_ci_low"),
    *("difference_ci_high", "drawn_mean", "drawn_sd", "p", "n_sets"),
    *("n_items", "n_pairs", "n_clusters"),
]


def accuracy_and_d(d: pd.Series) -> tuple[float, float]:
    """Share of items with d above 0 by more than rounding, and mean d."""
    return float((d > ROUNDING).mean()), float(d.mean())


def measures(items: pd.DataFrame) -> pd.DataFrame:
    """What every item adds to each measure; null where it has no part in it.

    Args:
        items: table ``mended`` of one edit.

    Returns:
        a column per measure, indexed by item_id: shares are of 0 and 1.
    """
    affirmative = items["d_affirmative"]
    values = {
        "accuracy": (items["d"] > ROUNDING).astype(float),
        "mean_d": items["d"],
        "affirmative_accuracy": (affirmative > ROUNDING).astype(float).where(affirmative.notna()),
        "affirmative_mean_d": affirmative,
        **{f"image_to_text_{k}": (items["caption_rank"] <= k).astype(float) for k in RECALLS},
        **{f"text_to_image_{k}": (items["image_rank"] <= k).astype(float) for k in RECALLS},
    }
    return pd.DataFrame(values).set_axis(items["item_id"].astype(object))


def groups(items: pd.DataFrame) -> Iterator[tuple[str, str, np.ndarray]]:
    """(measure, negation, which items) of every number that is reported."""
    for measure in measures(items.iloc[:0]):
        for negation in ("caption", "foil", ALL) if measure in BY_NEGATION else (ALL,):
            inside = (items["negation"] == negation) | (negation == ALL)
            if inside.any():
                yield str(measure), negation, inside.to_numpy()


def means(items: pd.DataFrame) -> pd.Series:
    """Every measure's mean, by (measure, negation)."""
    values = measures(items)
    found = {(m, n): values[m].to_numpy()[inside] for m, n, inside in groups(items)}
    return pd.Series({key: pd.Series(part).mean() for key, part in found.items()})


def mending_table(
    before: pd.DataFrame,
    after: pd.DataFrame,
    drawn: Sequence[pd.Series],
    options: Options = DEFAULTS,
    is_edit: bool = True,
) -> pd.DataFrame:
    """Every measure before and after an edit, beside random edits.

    Args:
        before, after: table ``mended``, the same items in the same order.
        drawn: `means` with each random edit.
        is_edit: whether there is an edit; without one every difference is 0 by definition.

    Returns:
        `COLUMNS`; p is one-sided: (1 + random edits that reach as much) / (1 + n_sets), null
        without any.
    """
    values = measures(before), measures(after)
    of_drawn = pd.DataFrame(drawn)
    clusters = pd.factorize(before["cluster_id"].astype(object), sort=True)[0]
    rows = []
    for measure, negation, inside in groups(before):
        old, new = (part[measure].to_numpy(float)[inside] for part in values)
        there = np.isfinite(old)
        if not there.any():
            continue
        own = pd.factorize(clusters[inside][there])[0]
        change = new[there] - old[there]
        low, high = difference_interval(change, own, measure, options) if is_edit else (0.0, 0.0)
        others = of_drawn[measure, negation] if len(of_drawn) else pd.Series(dtype=float)
        reached = int((others >= new[there].mean() - ROUNDING).sum())
        rows.append(
            {
                "measure": measure,
                "negation": negation,
                "before": old[there].mean(),
                "after": new[there].mean(),
                "difference": change.mean(),
                "difference_ci_low": low,
                "difference_ci_high": high,
                "drawn_mean": others.mean(),
                "drawn_sd": others.std(),
                "p": (1 + reached) / (1 + len(others)) if len(others) else np.nan,
                "n_sets": len(others),
                "n_items": int(there.sum()),
                "n_pairs": before["pair_id"][inside][there].nunique(),
                "n_clusters": int(own.max()) + 1,
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def difference_interval(
    change: np.ndarray, clusters: np.ndarray, measure: str, options: Options
) -> tuple[float, float]:
    """Interval of the mean of paired differences; null with fewer than 6 clusters."""
    count = int(clusters.max()) + 1
    if count < FEWEST_CLUSTERS:
        return np.nan, np.nan

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(clusters, values, minlength=count)[:, None]

    n = sums(np.ones(len(change)))
    if measure.endswith("mean_d") or change.any():
        found = interval_of(count, options)(sums(change), n)
        return float(found.low[0]), float(found.high[0])
    most = float(share_interval(sums(change), n, options.level).high[0])
    return -most, most
