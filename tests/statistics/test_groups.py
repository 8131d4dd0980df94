"""Segments and maps on tables small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, t

from negtrace.statistics.accuracy import with_intervals
from negtrace.statistics.groups import (
    attention_map,
    restoration_map,
    segments,
)

THRESHOLDS = {"incorrect_below": -1.0, "correct_from": 1.0}


@pytest.fixture
def scores() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "item_id": list("abcdef"),
            "pair_id": ["p", "p", "q", "q", "r", "r"],
            "negation": ["caption", "foil", "caption", "foil", "caption", "foil"],
            "d": [1.0, 0.999, -1.0, -1.001, 3.0, 5.0],
        }
    )


@pytest.fixture
def classified(scores) -> pd.DataFrame:
    return segments(scores, scores[scores["item_id"] != "f"], THRESHOLDS)


def test_thresholds_are_closed_below_and_items_outside_pairs_are_dropped(classified):
    assert classified["item_id"].tolist() == list("abcde")
    assert classified["segment"].tolist() == [
        "correct",
        "ambiguous",
        "ambiguous",
        "incorrect",
        "correct",
    ]
    assert classified["correct"].tolist() == [True, True, False, False, True]


def test_accuracy_by_negation(classified):
    table = with_intervals(classified).set_index("negation")
    assert table.loc["caption", "accuracy"] == pytest.approx(2 / 3)
    assert table.loc["foil", "accuracy"] == pytest.approx(1 / 2)
    assert table.loc["all", ["n_items", "n_pairs"]].tolist() == [5, 3]
    assert table.loc["caption", ["n_correct", "n_ambiguous", "n_incorrect"]].tolist() == [2, 1, 0]
    assert table.loc["caption", "mean_d"] == pytest.approx(1.0)
    limits = ["accuracy_ci_low", "accuracy_ci_high"]
    assert (table["accuracy"].between(*(table[name] for name in limits))).all()
    assert table[["mean_d_ci_low", "mean_d_ci_high"]].isna().all(axis=None)  # too few clusters


def test_limits_of_items_that_stand_alone_are_those_of_independent_ones():
    """Clopper and Pearson's, and for the mean those that Student's t gives to a few per cent."""
    d = np.random.default_rng(0).normal(1, 1, 60)
    names = [f"{i}" for i in range(len(d))]
    alone = pd.DataFrame(
        {
            "item_id": names,
            "pair_id": names,
            "cluster_id": names,
            "negation": "foil",
            "d": d,
            "correct": d > 0,
            "segment": "correct",
        }
    )
    row = with_intervals(alone).set_index("negation").loc["all"]
    exact = binomtest(int((d > 0).sum()), len(d)).proportion_ci(method="exact")
    assert row["accuracy_ci_low"] == pytest.approx(exact.low)
    assert row["accuracy_ci_high"] == pytest.approx(exact.high)
    low, high = t.interval(0.95, len(d) - 1, d.mean(), d.std(ddof=1) / len(d) ** 0.5)
    assert row["mean_d_ci_low"] == pytest.approx(low, abs=0.05)
    assert row["mean_d_ci_high"] == pytest.approx(high, abs=0.05)


def sweep_rows(values: list[tuple[str, str, int, float | None]]) -> pd.DataFrame:
    rows = pd.DataFrame(values, columns=["item_id", "role", "layer", "restoration"])
    pairs = dict(zip("abcdef", "ppqqrr", strict=True))
    return rows.assign(
        pair_id=rows["item_id"].map(pairs),
        site="resid",
        direction="negate",
        head=pd.array([pd.NA] * len(rows), dtype="Int16"),
        eligible=rows["restoration"].notna(),
    )


def test_roles_of_several_tokens_weigh_items_by_their_number(classified):
    sweep = sweep_rows(
        [
            ("a", "subject_rest", 1, 0.2),
            ("a", "subject_rest", 1, 0.4),
            ("a", "subject_rest", 1, 0.6),
            ("e", "subject_rest", 1, 1.0),
            ("e", "determiner", 1, 0.5),
            ("e", "determiner", 1, None),
            ("f", "determiner", 1, 9.0),
        ]
    )
    table = restoration_map(sweep, classified).set_index(["negation", "segment", "role"])
    rest = table.loc[("caption", "correct", "subject_rest")]
    assert rest["mean"] == pytest.approx((0.2 + 0.4 + 0.6 + 1.0) / 4)
    assert rest["sd"] == pytest.approx(np.std([0.2, 0.4, 0.6, 1.0], ddof=1))
    assert rest[["n", "n_items", "n_pairs"]].tolist() == [4, 2, 2]
    assert table.loc[("all", "all", "determiner"), "mean"] == pytest.approx(0.5)
    assert ("foil", "all", "determiner") not in table.index


def test_attention_takes_the_maximum_of_subject_rest_and_zero_without_one(classified):
    rows = [
        ("p", "there", 0.1, 0.1),
        ("p", "subject_first", 0.3, 0.1),
        ("p", "subject_rest", 0.5, 0.1),
        ("p", "subject_rest", 0.2, 0.1),
        ("q", "there", 0.1, 0.1),
        ("q", "subject_first", 0.1, 0.1),
    ]
    attention = pd.DataFrame(rows, columns=["pair_id", "role", "a_negated", "a_affirmative"])
    attention = attention.assign(layer=1, head=1)
    table = attention_map(attention, classified).set_index(["negation", "segment", "role"])
    assert table.loc[("caption", "all", "subject_rest"), "mean"] == pytest.approx((0.4 + 0) / 2)
    assert table.loc[("caption", "all", "subject_first"), "mean"] == pytest.approx(0.1)


def test_only_there_pairs_have_a_zero_for_a_subject_of_one_token(classified):
    rows = [
        ("p", "there", 0.1, 0.1),
        ("p", "subject_first", 0.3, 0.1),
        ("q", "subject_first", 0.3, 0.1),
    ]
    attention = pd.DataFrame(rows, columns=["pair_id", "role", "a_negated", "a_affirmative"])
    table = attention_map(attention.assign(layer=1, head=1), classified)
    of_rest = table[(table["role"] == "subject_rest") & (table["segment"] == "all")]
    counts = of_rest.set_index("negation")["n_pairs"].to_dict()
    assert set(counts.values()) == {1}
