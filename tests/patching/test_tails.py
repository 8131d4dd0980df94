"""Which rows of which sentences are one tensor: worked by hand."""

from __future__ import annotations

import pytest
import torch
from conftest import EOT, SOT, TinyModel

from negtrace.models.roles import PADDING
from negtrace.patching.forward_passes import run_sentences
from negtrace.patching.sentences import Sentence
from negtrace.patching.tails import (
    ALL_POSITIONS,
    PairBatch,
    PositionSet,
    Tail,
    make_tails,
    position_sets,
)

INF = float("-inf")
SHORT = [SOT, 1, 2, EOT]
LONG = [SOT, 1, 2, 3, 4, EOT]


def tails(
    tiny: TinyModel, sets: list[PositionSet], firsts: list[int], rows: int = 99
) -> list[Tail]:
    shape = tiny.tower.shape
    run = run_sentences(tiny.tower, [shape.complete(SHORT), shape.complete(LONG)])
    return list(make_tails(sets, PairBatch(run, run), firsts, shape, rows))


def single(pair: int, target: int, source: int | None = None) -> PositionSet:
    return PositionSet(pair, target, (target,), (target if source is None else source,))


def test_sentences_of_different_length_share_a_tail(causal):
    """Two rows are left from position 2 of 4, and from position 4 of 6."""
    (tail,) = tails(causal, [single(0, 2, 1), single(1, 4, 3)], [0, 0])
    assert tail.pairs.tolist() == [0, 1]
    assert tail.rows.T.tolist() == [[2, 3], [4, 5]]
    assert tail.prefix.T.tolist() == [[0, 0, 0, 1], [0, 1, 2, 3]]
    assert tail.masks.prefix.tolist() == [[INF, INF, 0, 0], [0, 0, 0, 0]]
    assert tail.masks.rows.tolist() == [[[0, INF], [0, 0]]]
    assert tail.replaced.T.tolist() == [[True, False]] * 2
    assert tail.source_rows.T.tolist() == [[1, 0], [3, 0]]
    assert tail.pooled.tolist() == [1, 1]


def test_rows_begin_where_a_patch_changes_anything(causal):
    """At the first patched position, or where the two runs begin to differ."""
    everything = PositionSet(1, ALL_POSITIONS, tuple(range(6)), tuple(range(6)))
    (tail,) = tails(causal, [everything], [3])
    assert tail.rows[:, 0].tolist() == [3, 4, 5]
    assert tail.replaced[:, 0].tolist() == [True] * 3
    assert tail.source_rows[:, 0].tolist() == [3, 4, 5]
    (tail,) = tails(causal, [single(1, 4)], [3])
    assert tail.rows[:, 0].tolist() == [4, 5]


def test_tails_keep_to_their_rows(causal):
    sets = [single(1, position) for position in (4, 4, 4, 2)]
    found = tails(causal, sets, [0] * 4, rows=4)
    assert [tuple(tail.rows.shape) for tail in found] == [(2, 2), (2, 1), (4, 1)]
    assert [s.label for tail in found for s in tail.sets] == [4, 4, 4, 2]
    assert [tuple(tail.rows.shape) for tail in tails(causal, sets, [0] * 4, rows=1)] == [
        *[(2, 1)] * 3,
        (4, 1),
    ]


def test_a_class_token_does_not_see_itself(tiny_models):
    (tail,) = tails(tiny_models["class_token"], [single(0, 3)], [0])
    assert tail.rows[:, 0].tolist() == [3, 4, 5]  # EOT, one padding token, the class token
    assert tail.masks.rows.tolist() == [[[0, INF, INF], [0, 0, INF], [0, 0, INF]]]


def test_without_a_causal_mask_every_row_is_one_of_the_tail(tiny_models):
    for structure, pooled in (("bidirectional_eot", 3), ("bidirectional_first", 0)):
        tiny = tiny_models[structure]
        (tail,) = tails(tiny, [single(0, 2)], [2])
        n = tiny.tower.shape.context_length
        assert tail.rows[:, 0].tolist() == list(range(n))
        assert tail.prefix.shape == (0, 1)
        assert tail.masks.rows.tolist() == [[[0] * n] * n]
        assert tail.pooled.tolist() == [pooled]
        states = torch.arange(n).view(n, 1, 1).expand(-1, 2, 5)
        assert (tail.pooled_rows(states) == pooled).all()


# Of four pairs the first three begin alike: 1 and 2 up to the word, in 3 the source has another.
BASES = [[SOT, 1, 4, 10, EOT], [SOT, 1, 4, 11, EOT], [SOT, 1, 4, 10, EOT], [SOT, 2, 4, 10, EOT]]
SOURCED = [[SOT, 1, 3, 10, EOT], [SOT, 1, 3, 11, EOT], [SOT, 1, 5, 10, EOT], [SOT, 2, 3, 10, EOT]]


def of_four(tiny: TinyModel, targets: tuple[int, ...]) -> Tail:
    base, source = (run_sentences(tiny.tower, sentences) for sentences in (BASES, SOURCED))
    sets = [PositionSet(pair, ALL_POSITIONS, targets, targets) for pair in range(4)]
    shape = tiny.tower.shape
    (tail,) = make_tails(sets, PairBatch(base, source), [0] * 4, shape, 99)
    return tail


@pytest.mark.parametrize(
    ("targets", "of"),
    [
        ((2, 3), [[0, 1, 2], [0, 3, 4], [5, 6, 7], [8, 9, 10]]),  # every pair's source differs
        # In 1 it is the same, and in 2 it is not copied.
        ((1, 3), [[0, 1, 2, 3], [0, 1, 4, 5], [0, 1, 6, 7], [8, 9, 10, 11]]),
    ],
)
def test_rows_are_distinct_by_what_they_end_and_what_replaces_it(causal, targets, of):
    tail = of_four(causal, targets)
    by_pair = dict(zip(tail.pairs.tolist(), tail.of.T.tolist(), strict=True))
    rows = by_pair[0] + by_pair[1] + by_pair[2] + by_pair[3]
    number = {row: i for i, row in enumerate(dict.fromkeys(rows))}
    assert [[number[row] for row in by_pair[pair]] for pair in range(4)] == of


def test_distinct_rows_spread_to_all_that_are_like_them(causal):
    tail = of_four(causal, (1, 3))
    states = torch.randn(len(tail.first[0]), 2, 5)
    spread = tail.spread(states)
    assert spread.shape == (4, 2, 4, 5)
    assert len(states) == 4 * 4 - 2 * 2
    for row, member in ((row, member) for row in range(4) for member in range(4)):
        torch.testing.assert_close(spread[row, :, member], states[tail.of[row, member]])
    torch.testing.assert_close(tail.distinct(spread), states)
    torch.testing.assert_close(tail.pooled_rows(states), spread[-1].transpose(0, 1))


SENTENCE = Sentence(
    (SOT, 1, 2, EOT, 0, 0), ("SOT", "edit", "shared_after", "EOT", PADDING, PADDING), (0,) * 6
)
SOURCES = (0, -1, 1, 2, 4, 5)


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        (
            "each",
            [
                (0, (0,), (0,)),
                (2, (2,), (1,)),
                (3, (3,), (2,)),
                (4, (4, 5), (4, 5)),
            ],
        ),
        ("all", [(ALL_POSITIONS, (0, 2, 3, 4, 5), (0, 1, 2, 4, 5))]),
        (("edit", "EOT"), [(ALL_POSITIONS, (3,), (2,))]),
        (("edit",), []),
    ],
)
def test_positions_that_are_patched_together(positions, expected):
    found = position_sets(7, SENTENCE, SOURCES, positions)
    assert list(found) == [PositionSet(7, *one) for one in expected]
