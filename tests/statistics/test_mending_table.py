"""Measures before and after an edit, worked by hand; ranks of retrieval."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from negtrace.analyses.mended_items import other_affirmatives, retrieval_ranks
from negtrace.report.mending import of_mending
from negtrace.statistics.mending import means, mending_table


def items(d: list[float], **columns) -> pd.DataFrame:
    n = len(d)
    table = {
        "item_id": [f"i{k}" for k in range(n)],
        "pair_id": [f"p{k // 2}" for k in range(n)],
        "cluster_id": [f"c{k // 2}" for k in range(n)],
        "negation": [("caption", "foil")[k % 2] for k in range(n)],
        "d": d,
        "d_affirmative": [np.nan if k % 2 == 0 else 1.0 for k in range(n)],
        "caption_rank": 1,
        "image_rank": 6,
    }
    return pd.DataFrame(table | columns)


BEFORE = [-1.0, 2.0] * 10  # wrong where the negation is in the caption
AFTER = [1.0, 1.5] * 10


def row(table: pd.DataFrame, measure: str, negation: str = "all") -> pd.Series:
    of = table[(table["measure"] == measure) & (table["negation"] == negation)]
    assert len(of) == 1
    return of.iloc[0]


def test_differences_are_paired_and_by_negation():
    table = mending_table(items(BEFORE), items(AFTER), [])
    accuracy = row(table, "accuracy")
    assert accuracy[["before", "after", "difference"]].tolist() == [0.5, 1.0, 0.5]
    assert row(table, "accuracy", "caption")["difference"] == 1
    assert row(table, "accuracy", "foil")["difference"] == 0
    assert row(table, "mean_d")["difference"] == pytest.approx((2 - 0.5) / 2)
    assert (accuracy["n_items"], accuracy["n_pairs"], accuracy["n_clusters"]) == (20, 10, 10)
    assert row(table, "affirmative_accuracy")["n_items"] == 10
    assert row(table, "image_to_text_1")["after"] == 1
    assert row(table, "text_to_image_5")["after"] == 0
    assert np.isnan(accuracy["p"])


def test_intervals_hold_the_difference_and_have_a_width_where_nothing_happened():
    rng = np.random.default_rng(0)
    table = mending_table(items(BEFORE), items([d + rng.normal() for d in AFTER]), [])
    d = row(table, "mean_d")
    assert d["difference_ci_low"] < d["difference"] < d["difference_ci_high"]
    still = row(table, "image_to_text_1")
    assert still["difference"] == 0
    assert still["difference_ci_low"] == -still["difference_ci_high"] < 0
    few = mending_table(items(BEFORE[:4]), items(AFTER[:4]), [])
    assert few["difference_ci_low"].isna().all()


def test_without_an_edit_nothing_changes_by_definition():
    table = mending_table(items(BEFORE), items(BEFORE), [], is_edit=False)
    changes = table[["difference", "difference_ci_low", "difference_ci_high"]]
    assert (changes == 0).all(axis=None)


def test_p_counts_the_random_edits_that_reach_as_much():
    better, worse = means(items([2.0] * 20)), means(items(BEFORE))
    table = mending_table(items(BEFORE), items(AFTER), [better, worse, worse])
    assert row(table, "mean_d")["p"] == 2 / 4
    assert row(table, "accuracy")["p"] == 2 / 4  # a tie counts
    assert row(table, "mean_d")["drawn_mean"] == pytest.approx((2 + 0.5 + 0.5) / 3)


def test_ranks_are_those_of_the_best_match_among_distinct_ones():
    # Captions a, b, c; images 1, 2. Both a and b are true of image 1.
    captions, images = pd.Series(["a", "b", "c", "a"]), pd.Series(["1", "1", "2", "2"])
    vectors = {"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [0.9, 0.1]}
    pictures = {"1": [0.0, 1.0], "2": [1.0, 0.0]}
    of_text, of_image = retrieval_ranks(
        np.array([vectors[c] for c in captions]), np.array([pictures[i] for i in images]),
        captions, images,
    )  # fmt: skip
    # Image 1: b first, a match. Image 2: a first, a match.
    assert of_text.tolist() == [1, 1, 1, 1]
    # Caption a: image 2, a match. b: image 1. c: image 2.
    assert of_image.tolist() == [1, 1, 1, 1]
    swapped, _ = retrieval_ranks(
        np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]),
        pd.Series(["a", "b"]), pd.Series(["1", "2"]),
    )  # fmt: skip
    assert swapped.tolist() == [2, 2]


def test_another_affirmative_sentence_is_not_one_that_is_true_of_the_image():
    candidates = pd.DataFrame(
        {
            "negation": ["foil", "foil", "caption", "foil"],
            "affirmative": ["dogs", "cats", "birds", "dogs"],
            "image_file": ["1", "1", "2", "3"],
        }
    )
    other = other_affirmatives(candidates, seed=0)
    # Image 1 has dogs and cats, and no other true affirmative sentence is there; birds are false.
    assert other.tolist() == [-1, -1, -1, 1]


def test_sentences_say_over_which_half_and_what_is_not_significant():
    table = mending_table(items(BEFORE), items(AFTER), [means(items(BEFORE))] * 3)
    heads = table.assign(edit="heads", what="1.2 2.1", strength=2.0)
    none = mending_table(items(BEFORE), items(BEFORE), [], is_edit=False)
    direction = none.assign(edit="direction", what="", strength=0.0)
    said = of_mending(pd.concat([heads, direction]))
    assert said[0].startswith(
        "Scaling the found heads in every sentence by 2 (block.head: 1.2 2.1)"
    )
    assert "raises accuracy and raises mean d on the other (20 items)" in said[0]
    assert "3 sets of other heads in the same blocks reach 50.0% and 0.50" in said[0]
    assert "The price: accuracy among affirmative sentences 100.0% to 100.0%" in said[0]
    assert "none does better than the model as it is" in said[1]
    null = mending_table(items(BEFORE), items([-d for d in BEFORE]), [])
    (sentence,) = of_mending(null.assign(edit="direction", what="3", strength=1.0))
    assert "does not change accuracy significantly" in sentence
