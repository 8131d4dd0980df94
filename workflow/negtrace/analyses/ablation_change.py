"""What ablating the found heads changes, with its interval over items that did not choose them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from negtrace.analyses.confirmation import MEASURES, ROUNDING
from negtrace.statistics.effect_sizes import DEFAULTS, Options
from negtrace.statistics.map_values import ENDS
from negtrace.statistics.mending import difference_interval
from negtrace.vocabulary import ALL


def with_change(
    tests: pd.DataFrame, ablated: pd.DataFrame, sets: Sequence[Any], options: Options = DEFAULTS
) -> pd.DataFrame:
    """The tests with what ablating the found set changes, paired by item, over clusters.

    Args:
        tests: `confirmation` of the sets.
        ablated: table ``ablated_scores`` of them with cluster_id, in their order.

    Returns:
        `tests` with difference (found - full) and the limits difference_ci_low and
        difference_ci_high, null with fewer than 6 clusters.
    """
    purposes = pd.Series([one.purpose for one in sets])
    intact = (purposes == "removed") & (pd.Series([one.k for one in sets]) == 0)
    found, full = (
        ablated[ablated["set"] == numbers.idxmax()].set_index("item_id")
        for numbers in (purposes == "found", intact)
    )
    changes = {
        "accuracy": (found["d"] > ROUNDING).astype(float) - (full["d"] > ROUNDING),
        "mean_d": found["d"] - full["d"],
    }
    rows = []
    for negation in tests["negation"].unique():
        inside = ((full["negation"] == negation) | (negation == ALL)).to_numpy()
        clusters = pd.factorize(full["cluster_id"][inside].astype(object), sort=True)[0]
        for measure in MEASURES:
            change = changes[measure].to_numpy(float)[inside]
            limits = difference_interval(change, clusters, measure, options)
            rows.append((negation, measure, change.mean(), *limits))
    columns = ["negation", "measure", *(f"difference{end}" for end in ENDS)]
    return tests.merge(pd.DataFrame(rows, columns=columns), on=["negation", "measure"])
