"""Edits: where two sequences differ, and which of their places correspond to each other.

After the common start and the common end are set aside, what remains is compared by longest
matching blocks; an edited span corresponds place by place if it is equally long in both, else not
at all.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple


class EditedSpan(NamedTuple):
    """Places that differ: [start, end) in either sequence; one of the two may be empty."""

    first: range
    second: range


def first_difference(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """First place at which two sequences differ.

    Where one continues the other, that is the shorter one's length.
    """
    matching = zip(first, second, strict=False)
    shorter = min(len(first), len(second))
    return next((i for i, (a, b) in enumerate(matching) if a != b), shorter)


def edited_spans(first: Sequence[Hashable], second: Sequence[Hashable]) -> list[EditedSpan]:
    """The spans in which two sequences differ, in order; none if they are equal.

    Setting the common start and end aside first makes a single edit one span, however often what
    it inserts occurs elsewhere.
    """
    start = first_difference(first, second)
    common_end = min(
        first_difference(first[::-1], second[::-1]), min(len(first), len(second)) - start
    )
    matcher = SequenceMatcher(
        None,
        first[start : len(first) - common_end],
        second[start : len(second) - common_end],
        autojunk=False,
    )
    return [
        EditedSpan(range(start + i, start + j), range(start + k, start + m))
        for tag, i, j, k, m in matcher.get_opcodes()
        if tag != "equal"
    ]


def counterparts(
    n_first: int, n_second: int, spans: Sequence[EditedSpan]
) -> tuple[list[int | None], list[int | None]]:
    """Place in the other sequence that each one corresponds to, for both sequences.

    Symmetric and strictly increasing; None in an edited span whose lengths differ.
    """
    of_first: list[int | None] = [None] * n_first
    of_second: list[int | None] = [None] * n_second
    end = EditedSpan(range(n_first, n_first), range(n_second, n_second))
    i = j = 0
    for span in (*spans, end):
        shared = (range(i, span.first.start), range(j, span.second.start))
        matches = list(zip(*shared, strict=True))
        if len(span.first) == len(span.second):
            matches += zip(span.first, span.second, strict=True)
        for a, b in matches:
            of_first[a], of_second[b] = b, a
        i, j = span.first.stop, span.second.stop
    return of_first, of_second
