"""The specification curve: ranks by hand, in the order of the curve."""

from __future__ import annotations

import pandas as pd
import pytest
from conftest import effect_rows

from negtrace.statistics.specification import (
    among_highest,
    by_another_pair,
    named_heads,
    specification_curve,
)

CHOICES = ["wording", "segment"]


@pytest.fixture
def maps():
    rows = [
        ("rephrased", "all", 1, 1, 0.9, 0.1),
        ("rephrased", "all", 1, 2, 0.2, 0.5),
        ("rephrased", "all", 2, 1, 0.2, 0.3),
        ("standard", "all", 1, 1, 0.1, 0.2),
        ("standard", "all", 1, 2, 0.3, 0.1),
        ("standard", "all", 2, 1, None, 0.4),
    ]
    return pd.DataFrame(rows, columns=[*CHOICES, "layer", "head", "ratio", "mean"])


def test_ranks_of_the_named_heads(maps):
    curve = specification_curve(maps, [(1, 1)], CHOICES)
    found = curve[["specification", "wording", "effect", "value", "rank", "n_heads"]]
    assert found.to_numpy().tolist() == [
        [1, "rephrased", "ratio", 0.9, 1, 3],
        [2, "standard", "ratio", 0.1, 2, 2],
        [3, "standard", "mean", 0.2, 2, 3],
        [4, "rephrased", "mean", 0.1, 3, 3],
    ]


def test_equal_heads_share_a_rank_and_a_head_without_a_value_has_none(maps):
    curve = specification_curve(maps, [(2, 1), (1, 2)], CHOICES)
    ratio = curve[(curve["effect"] == "ratio") & (curve["wording"] == "rephrased")]
    assert ratio["rank"].tolist() == [2, 2]
    lacking = curve[(curve["effect"] == "ratio") & (curve["wording"] == "standard")]
    assert lacking[["layer", "head"]].to_numpy().tolist() == [[1, 2]]
    assert curve["specification"].is_monotonic_increasing


def test_share_of_specifications_among_the_highest(maps):
    found = among_highest(specification_curve(maps, [(1, 1)], CHOICES), k=2).iloc[0]
    assert found[["share", "worst_rank", "n_specifications"]].tolist() == [0.75, 3, 4]


def test_specifications_that_compute_nothing_are_left_out(maps):
    curve = specification_curve(maps.assign(ratio=float("nan")), [(1, 1)], CHOICES)
    assert set(curve["effect"]) == {"mean"}
    empty = specification_curve(maps[:0], [(1, 1)], CHOICES)
    assert empty.columns.tolist() == curve.columns.tolist()


def test_one_choice_is_enough(maps):
    curve = specification_curve(maps[maps["wording"] == "standard"], [(1, 2)], ["segment"])
    assert curve["segment"].tolist() == ["all", "all"]


def test_ratios_that_are_not_bounded_are_no_specification(maps):
    """Their denominator may be 0 or of either sign, which turns the order about."""
    bounds = maps.assign(ratio_ci_low=0.0, ratio_ci_high=1.0)
    bounds.loc[bounds["wording"] == "standard", "ratio_ci_low"] = None
    curve = specification_curve(bounds, [(1, 1)], CHOICES)
    made = curve[["wording", "effect"]].to_numpy().tolist()
    assert ["standard", "ratio"] not in made
    assert len(made) == 3


def test_named_heads_are_those_of_sentences_by_the_tests_over_the_study():
    first = effect_rows((1, 0.3, 0.01), (2, 0.9, 0.01), (3, 0.05, 0.01)).assign(p_study=0.01)
    first.loc[first["head"] == 2, "p_study"] = 0.2
    second = effect_rows((4, 0.2, 0.9), (1, 0.5, 0.9)).assign(p_study=0.01)
    assert named_heads([first, second], 0.05) == [(2, 1), (2, 4)]
    assert named_heads([first, second], 0.05, count=1) == [(2, 1)]
    assert named_heads([first.assign(p_study=1.0)], 0.05) == []


def test_another_pairs_source_is_a_specification():
    """Its ratio and change stand in the place of the pair's own; a placebo is none."""
    of_donor = {"ratio_donor": 0.4, "ratio_donor_ci_low": 0.3, "ratio_donor_ci_high": 0.5}
    own = {"ratio": 0.9, "ratio_ci_low": 0.8, "ratio_ci_high": 1.0, "difference": 5.0}
    row = {"segment": "all", "layer": 1, "head": 1, **own, **of_donor, "difference_donor": 2.0}
    table = pd.DataFrame([row | {"donor": "transfer"}, row | {"donor": "placebo"}])
    found = by_another_pair(table)
    measured = ["ratio", "ratio_ci_low", "ratio_ci_high", "difference"]
    assert found[measured].to_numpy().tolist() == [[0.4, 0.3, 0.5, 2.0]]
    curve = specification_curve(found, [(1, 1)], ["segment"])
    assert dict(zip(curve["effect"], curve["value"], strict=True)) == {
        "ratio": 0.4,
        "difference": 2.0,
    }
