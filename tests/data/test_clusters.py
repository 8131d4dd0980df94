"""Clusters: whatever common sentences and groups link."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from negtrace.data.clusters import linked, with_clusters


def clusters(*rows: tuple[str, str, str | None]) -> list[str]:
    table = pd.DataFrame(rows, columns=["negated", "affirmative", "group"])
    table["pair_id"] = table["negated"] + "|" + table["affirmative"]
    return with_clusters(table)["cluster_id"].tolist()


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
