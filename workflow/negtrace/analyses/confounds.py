"""Confounds: what of a sentence, beside its negation, a map may depend on.

negator_position   place of the negator's first token, from 0 (start token)
negator_length     tokens of the negator
eot_distance       tokens from the negator's last to the end token
n_tokens           tokens of the negated sentence
subject_frequency  share of the dataset's items that name the same subject
plural             whether the subject is in the plural (so that the verb is "are")

A slope is what one more unit adds to a cell's restoration (change by the mean d).  Sentences of one
template share what the sentence's features are of, and its negators share affirmative sentences; so
those features are resampled by template, the subject's by cluster.  With few of either, intervals
are wide, and they should be.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from negtrace.statistics.effect_sizes import Options
from negtrace.statistics.map_values import CELL
from negtrace.statistics.resampling import resamples

OF_SENTENCE = ("negator_position", "negator_length", "eot_distance", "n_tokens")
OF_SUBJECT = ("subject_frequency", "plural")
CONFOUNDS = (*OF_SENTENCE, *OF_SUBJECT)
COLUMNS = [*CELL, "confound", "unit", "slope", "slope_ci_low", "slope_ci_high", "n_units"]


def confounds(
    candidates: pd.DataFrame, alignment: pd.DataFrame, designs: pd.DataFrame
) -> pd.DataFrame:
    """Every item's confounds.

    Args:
        candidates, alignment: tables of those names, of one model and wording.
        designs: table of that name, of the dataset.

    Returns:
        item_id and `CONFOUNDS`; null where the negator's tokens cannot be told.
    """
    negated = alignment[alignment["polarity"] == "negated"].astype({"pair_id": str})
    end = negated[negated["role"] == "EOT"].set_index("pair_id")["position"]
    places = negated[negated["negator"]].groupby("pair_id", observed=True)["position"]
    of_pair = pd.DataFrame(
        {
            "negator_position": places.min(),
            "negator_length": places.size(),
            "last": places.max(),
            "end": end,
        }
    )
    items = candidates[["item_id", "pair_id"]].astype(str).join(of_pair, on="pair_id")
    items = items.merge(designs.astype({"item_id": str}), on="item_id", validate="one_to_one")
    frequency = items["subject"].map(items["subject"].value_counts()) / len(items)
    return items.assign(
        eot_distance=items["end"] - items["last"],
        n_tokens=items["end"] + 1,
        subject_frequency=frequency,
        plural=items["plural"].astype(float),
    )[["item_id", *CONFOUNDS]].astype(dict.fromkeys(CONFOUNDS, float))


def dependence(values: pd.DataFrame, features: pd.DataFrame, options: Options) -> pd.DataFrame:
    """How every cell's restoration goes with every confound.

    Args:
        values: of `templates.designed_values`.
        features: of `confounds`.

    Returns:
        `COLUMNS`; a confound that has one value alone has no rows.
    """
    scale = values.drop_duplicates("item_id")["d"].mean()
    of_item = features.set_index("item_id").reindex(values["item_id"].astype(str))
    rows = []
    for name in CONFOUNDS:
        x = of_item[name].to_numpy(float)
        if len(np.unique(x[np.isfinite(x)])) < 2:
            continue
        unit = "template" if name in OF_SENTENCE else "cluster"
        units = values["template" if name in OF_SENTENCE else "cluster_id"].to_numpy()
        told = np.isfinite(x)
        table = values[told].assign(x=x[told], y=values["change"][told] / scale, unit=units[told])
        for cell, part in table.groupby(CELL, observed=True, dropna=False, sort=False):
            if (part["known"] == 1).all():
                continue
            code, names = pd.factorize(part["unit"])
            slope, low, high = slope_interval(
                part["x"].to_numpy(), part["y"].to_numpy(), code, options
            )
            rows.append((*cell, name, unit, slope, low, high, len(names)))
    return pd.DataFrame(rows, columns=COLUMNS)


def slope_interval(
    x: Float[np.ndarray, " values"],
    y: Float[np.ndarray, " values"],
    units: np.ndarray,
    options: Options,
) -> tuple[float, float, float]:
    """Least-squares slope of y on x, with limits from a bootstrap of whole units.

    Args:
        units: unit of each value, from 0.
    """
    sums = np.stack(
        [np.bincount(units, weights) for weights in (np.ones_like(x), x, y, x * x, x * y)]
    )
    weights = resamples(sums.shape[1], options.replicates, options.seed)
    drawn = _slope(weights @ sums.T)
    tails = [(1 - options.level) / 2, (1 + options.level) / 2]
    limits = np.nanquantile(drawn, tails) if np.isfinite(drawn).any() else (np.nan, np.nan)
    return float(_slope(sums.sum(1)[None])[0]), float(limits[0]), float(limits[1])


def _slope(sums: Float[np.ndarray, "draws five"]) -> Float[np.ndarray, " draws"]:
    """Slopes from n, sum x, sum y, sum xx and sum xy; null where x has one value."""
    n, x, y, xx, xy = sums.T
    spread = n * xx - x**2
    with np.errstate(divide="ignore", invalid="ignore"):
        slope: np.ndarray = np.where(spread > 1e-9 * xx * n, (n * xy - x * y) / spread, np.nan)
    return slope
