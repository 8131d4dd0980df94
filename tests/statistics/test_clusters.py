"""Clusters: whatever common sentences and groups link."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_donor_map import donor_of
from test_effect_sizes import THRESHOLDS, study

from negtrace.statistics.clusters import cluster_ids, linked, of_few
from negtrace.statistics.donor_map import donor_map
from negtrace.statistics.effect_sizes import Options, effect_map
from negtrace.statistics.families import study_tests
from negtrace.statistics.groups import segments
from negtrace.statistics.stability import overlap, ranks, split_halves


def clusters(*rows: tuple[str, str, str | None]) -> list[str]:
    table = pd.DataFrame(rows, columns=["negated", "affirmative", "group"])
    table["pair_id"] = table["negated"] + "|" + table["affirmative"]
    return cluster_ids(table).tolist()


def test_by_sentence_pair_and_group():
    assert clusters(("a", "b", None), ("c", "d", None)) == ["a|b", "c|d"]
    assert clusters(("a", "b", None), ("A", "d", None)) == ["a|b"] * 2
    assert clusters(("a", "b", None), ("b", "a", None)) == ["a|b"] * 2
    assert clusters(("a", "b", "1"), ("c", "d", "1"), ("e", "f", "2")) == ["a|b", "a|b", "e|f"]


def test_links_are_followed():
    assert (
        clusters(("a", "b", None), ("c", "d", None), ("d", "e", "1"), ("b", "f", "1"))
        == ["a|b"] * 4
    )


@given(st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=3), max_size=8))
def test_components_are_those_of_a_walk(keys):
    def reached(row: int) -> set[int]:
        found = {row}
        while (
            more := {j for i in found for j in range(len(keys)) if set(keys[i]) & set(keys[j])}
            - found
        ):
            found |= more
        return found

    assert linked(keys) == [min(reached(row)) for row in range(len(keys))]


QUICK = Options(replicates=200, flips=200)


def test_few_clusters_are_said():
    """Clusters of very unequal size are worth fewer than they are."""
    alone = pd.Series([f"c{k}" for k in range(50)])
    assert of_few(alone) is None
    one_large = pd.concat([alone, pd.Series(["c0"] * 50)])
    assert "50 clusters" in (of_few(one_large) or "")
    assert "worth 3.8 of equal size" in (of_few(one_large) or "")
    assert "49 clusters" in (of_few(alone[1:].astype("category")) or "")
    assert "49 clusters" in (of_few(alone.astype("category")[1:]) or "")


def as_donor_map(sweep, scores, items, options):
    return donor_map(sweep, scores, donor_of(sweep, scores, 0.2), items, options)


def as_study_tests(sweep, scores, items, options):
    return study_tests([(sweep, scores, items), (sweep, scores, items)], options)


@pytest.mark.parametrize(
    "table", [effect_map, ranks, overlap, split_halves, as_donor_map, as_study_tests]
)
def test_pairs_of_a_cluster_count_as_one_pair_does(table):
    """Where pairs are linked all that is resampled is as if they were the same pair."""
    sweep, scores, items = study(40)
    of_pair = {f"p{n:02}": f"p{n - n % 3:02}" for n in range(40)}
    linked_items = items.assign(cluster_id=items["pair_id"].map(of_pair))
    merged = [t.assign(pair_id=t["pair_id"].map(of_pair)) for t in (sweep, scores, linked_items)]
    options = {"options": QUICK}
    found = table(sweep, scores, linked_items, **options)
    expected = table(*merged, **options)
    found, expected = (t.drop(columns="n_pairs", errors="ignore") for t in (found, expected))
    pd.testing.assert_frame_equal(found, expected)
    apart = table(sweep, scores, items, **options).drop(columns="n_pairs", errors="ignore")
    assert not found.equals(apart)


def test_items_of_a_study_are_linked_by_what_the_model_and_the_sentences_have_in_common():
    pairs = pd.DataFrame(
        {
            "item_id": list("abcdef"),
            "negated": ["no x", "no y", "no z", "no v", "no w", "no u"],
            "affirmative": ["x", "y", "Y", "v", "w", "u"],
            "group": [None, None, None, "1", "1", None],
        }
    )
    # The model reads the sentences of a and f as the same tokens; the item out of f's pair is gone.
    scores = pairs[["item_id"]].assign(pair_id=list("abcdea"), negation="foil", d=1.0)
    table = segments(scores, pairs, THRESHOLDS)
    assert table["cluster_id"].tolist() == ["a", "b", "b", "d", "d", "a"]
    left = segments(scores, pairs[pairs["item_id"] != "b"], THRESHOLDS)
    assert left["cluster_id"].tolist() == ["a", "c", "d", "d", "a"]
    assert np.array_equal(left["item_id"], list("acdef"))
