"""Runs whose numbers are known: tables as the pipeline's, one pair and cluster for each item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from negtrace.statistics.atlas import Run
from negtrace.statistics.effect_sizes import Options

OPTIONS = Options(replicates=400, flips=999)


def run_of(
    states: Mapping[str, Sequence[float]],
    heads: Mapping[tuple[int, int], float],
    attention: Mapping[tuple[int, int], float] | None = None,
    items: int = 12,
    wrong: int = 0,
    noise: float = 0.0,
    seed: int = 0,
) -> Run:
    """A run in which every item has the same shares of its effect, d = 2 or, of some, -2.

    Args:
        states: share by hidden state, by role.
        heads: share by (block, head).
        attention: of the EOT to the negator, by (block, head); none to its counterpart.
        wrong: how many items have d = -2.
        noise: standard deviation of each share over items.
    """
    draw = np.random.default_rng(seed)
    ids = [f"item{number:02d}" for number in range(items)]
    d = np.where(np.arange(items) < wrong, -2.0, 2.0)
    scores = pd.DataFrame(
        {
            "item_id": ids,
            "pair_id": ids,
            "negation": "caption",
            "s_negated": 5 + d,
            "s_affirmative": 5.0,
            "d": d,
        }
    )
    segments = scores[["item_id", "pair_id", "negation", "d"]].assign(
        cluster_id=ids, segment="correct", correct=d > 0
    )
    cells = {
        "resid": [(layer, None, role, share) for role, shares in states.items()
                  for layer, share in enumerate(shares)],
        "head": [(*place, "all", share) for place, share in heads.items()],
    }  # fmt: skip
    sweeps = {}
    for site, rows in ((site, rows) for site, rows in cells.items() if rows):
        table = pd.DataFrame(rows, columns=["layer", "head", "role", "share"])
        table = scores[["item_id", "pair_id", "d"]].merge(table, how="cross")
        share = table["share"].astype(float) + noise * draw.normal(size=len(table))
        sweeps[f"{site}.negate"] = table.drop(columns=["d", "share"]).assign(
            site=site,
            direction="negate",
            head=table["head"].astype("Int16"),
            eligible=True,
            known=False,
            s_patched=5.0 + share * table["d"],
            restoration=share,
        )
    rows = [
        (pair, layer, head, "EOT", weight, 0.0)
        for pair in ids
        for (layer, head), weight in (attention or {}).items()
    ]
    columns = ["pair_id", "layer", "head", "role", "a_negated", "a_affirmative"]
    return Run(sweeps, scores, segments, pd.DataFrame(rows, columns=columns))
