"""What tests, controls and confirmations say, in words."""

from __future__ import annotations

import pandas as pd
from conftest import effect_rows

from negtrace.report import evidence


def test_cells_are_counted_by_both_corrections():
    table = effect_rows((1, 0.3, 0.01), (2, 0.2, 0.08), (3, 0.1, 0.5), (4, 0.0, 1.0))
    said = evidence.of_significance(table, "correct", "head", 0.05)
    assert said == [
        "Of the 3 cells by head that can differ from 0 (1 more change nothing), 1 do at a "
        "family-wise error of 5% (max-T over sign flips of pairs), 2 at a false discovery rate "
        "of 5%."
    ]


def test_top_cells_leave_out_what_is_known_and_keep_both_effect_sizes():
    table = effect_rows((1, 0.3, 0.01), (2, 1.0, 0.01), (3, 0.0, 1.0), (4, 0.4, 0.01))
    best = evidence.top_cells(table, "correct")
    assert [row["cell"] for row in best] == ["head 4", "head 1"]
    assert (best[0]["ratio"], best[0]["mean"]) == (0.4, 0.8)


def test_stability_in_words():
    overlap = pd.DataFrame(
        {
            "negation": "all",
            "segment": "correct",
            "k": [1, 3],
            "jaccard": [1.0, 0.62],
            "jaccard_chance": [0.1, 0.2],
        }
    )
    halves = pd.DataFrame(
        {
            "negation": "all",
            "segment": "correct",
            "p_fwer": [0.01, 0.02, 0.3],
            "ratio": [0.5, -0.2, 0.1],
        }
    )
    first, second = evidence.of_stability(overlap, halves, "correct")
    assert "The 3 highest heads" in first
    assert "0.62 on average (Jaccard; 0.20 by chance)" in first
    assert "Of the 3 highest heads on one half of the pairs, 1 are above 0" in second


def test_confirmation_in_words():
    confirmation = pd.DataFrame(
        [
            ("all", null, measure, full, found, drawn, p, 100)
            for null, p in (("random", 0.01), ("layer_matched", 0.2))
            for measure, full, found, drawn in (
                ("accuracy", 0.9, 0.6, 0.88),
                ("mean_d", 3.0, 1.0, 2.5),
            )
        ],
        columns=["negation", "null", "measure", "full", "found", "drawn_mean", "p", "n_sets"],
    )
    ablations = pd.DataFrame(
        [("all", "found", 2, "1.2 3.4"), ("all", "random", 2, "1.1 1.3")],
        columns=["negation", "purpose", "k", "heads"],
    )
    said = evidence.of_confirmation(confirmation, ablations)
    assert "the 2 heads that restore most" in said[0]
    assert "(block.head: 1.2 3.4)" in said[0]
    assert "from 90.0% right and mean d 3.00 to 60.0% and 1.00" in said[0]
    assert said[1].endswith("random heads leave mean d at 2.50 on average; one-sided p 0.01.")
    assert "layer-matched heads" in said[2]


def test_planted_cells_are_counted_with_false_alarms():
    planted = pd.DataFrame(
        {"site": "head", "planted": [True, True, False], "found": [True, False, True]}
    )
    assert evidence.of_planted(planted) == [
        "Positive control, site head: 2 of 3 cells are planted; 2 are found (significant, "
        "interval above 0.1), 1 of them planted."
    ]


def test_specific_effects_are_named_with_both_sides():
    row = {
        "negation": "all",
        "segment": "correct",
        "layer": 2,
        "head": 1.0,
        "role": "all",
        "p": 0.01,
        "specific": 4.0,
        "specific_ci_low": 3.5,
        "specific_ci_high": 4.5,
        "difference_negation": 4.5,
        "difference_neutral": 0.5,
    }
    table = pd.DataFrame([row, row | {"head": 2.0, "specific": 0.0, "p": 1.0}])
    assert evidence.of_specificity(table, "correct", "head") == [
        "Beyond a neutral word swap, the negation does most by head at head 1 of block 2 "
        "(4.00 [3.50, 4.50] logits; negation 4.50, neutral 0.50)."
    ]
