"""What items, other pairs and other choices make of findings, in words."""

from __future__ import annotations

import pandas as pd
from conftest import effect_rows

from negtrace.report import robustness
from negtrace.statistics.specification import specification_curve


def test_stability_in_words():
    overlap = pd.DataFrame(
        {
            "negation": "all",
            "segment": "all",
            "k": [1, 3],
            "jaccard": [1.0, 0.62],
            "jaccard_chance": [0.1, 0.2],
        }
    )
    halves = pd.DataFrame(
        {
            "negation": "all",
            "segment": "all",
            "p_fwer": [0.01, 0.02, 0.3],
            "ratio": [0.5, -0.2, 0.1],
        }
    )
    first, second = robustness.of_stability(overlap, halves)
    assert "The 3 highest heads" in first
    assert "0.62 on average (Jaccard; 0.20 by chance)" in first
    assert "Of the 3 highest heads on one half of the pairs, 1 are above 0" in second


def spread_rows(*cells: tuple[int, float | None]) -> pd.DataFrame:
    """Spread of heads of block 2 from (head, same_sign)."""
    return pd.DataFrame(
        {
            "negation": "all",
            "layer": 2,
            "head": pd.array([head for head, _ in cells], dtype="Int16"),
            "role": "all",
            "difference": 1.5,
            "sd_items": 2.25,
            "sd_pairs": 0.75,
            "same_sign": [share for _, share in cells],
        }
    )


def test_spread_of_the_cells_that_are_named():
    table = effect_rows((1, 0.3, 0.01), (2, 0.9, 0.2), (3, 0.5, 0.01), (4, 0.05, 0.01))
    spread = spread_rows((1, 0.8), (2, 0.1), (3, 0.925), (4, 0.6))
    (said,) = robustness.of_spread(spread, table, 0.05)
    assert said.endswith(
        "over pairs): head 3 of block 2: 92% (1.50; 2.25; 0.75);"
        " head 1 of block 2: 80% (1.50; 2.25; 0.75)."
    )
    assert robustness.of_spread(spread, table.assign(p_study=0.9), 0.05) == []
    assert robustness.of_spread(spread_rows((1, None), (3, None)), table, 0.05) == []


def test_shares_of_specifications_in_words():
    maps = pd.DataFrame(
        [(w, 1, head, value) for w in "ab" for head, value in ((1, 3), (2, 2), (3, 1), (4, 0))]
        + [("c", 1, head, value) for head, value in ((1, 0), (2, 2), (3, 1), (4, 3))],
        columns=["wording", "layer", "head", "ratio"],
    )
    curve = specification_curve(maps, [(1, 1)], ["wording"])
    assert robustness.of_specification(curve) == [
        "Among the 3 highest of 4 heads, over 3 specifications: head 1 of block 1 in 67% (worst"
        " rank 4)."
    ]
    (none,) = robustness.of_specification(curve[:0])
    assert none.startswith("No head is named")
