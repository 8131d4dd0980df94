"""Edits: where two sequences differ, by hand and as properties of any two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from negtrace.models.edits import counterparts, edited_spans, first_difference

INNER = st.lists(st.integers(2, 5), max_size=9)


def test_a_single_edit_is_one_span_even_among_repeated_words():
    shorter = ["SOT", "no", "no", "dogs", "no", "dogs", "EOT"]
    longer = ["SOT", "no", "no", "dogs", "no", "no", "dogs", "EOT"]
    ids = {word: i for i, word in enumerate(dict.fromkeys(longer))}
    spans = edited_spans([ids[w] for w in longer], [ids[w] for w in shorter])
    assert spans == [(range(5, 6), range(5, 5))]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [([1, 2, 3], [1, 2, 3], 3), ([1, 2, 3], [1, 9, 3], 1), ([1, 2], [1, 2, 3], 2), ([], [1], 0)],
)
def test_first_difference(a, b, expected):
    assert first_difference(a, b) == expected
    assert first_difference(b, a) == expected


@given(INNER, INNER)
def test_counterparts_are_symmetric_and_increasing(a, b):
    negated, affirmative = [0, *a, 1], [0, *b, 1]
    spans = edited_spans(negated, affirmative)
    forth, back = counterparts(len(negated), len(affirmative), spans)
    assert (len(forth), len(back)) == (len(negated), len(affirmative))
    links = [(i, j) for i, j in enumerate(forth) if j is not None]
    assert links == [(i, j) for j, i in enumerate(back) if i is not None]
    for ends in zip(*links, strict=True):
        assert list(ends) == sorted(set(ends))
    assert links[0] == (0, 0)
    assert links[-1] == (len(negated) - 1, len(affirmative) - 1)
    edited = {i for span in spans for i in span.first}
    for i, j in enumerate(forth):
        if i not in edited:
            assert negated[i] == affirmative[j]
