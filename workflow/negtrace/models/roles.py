"""Roles: what each token of the two sentences of a pair is.

Roles come in two schemas; both sentences of a pair use the same one.

"There is/are" sentences that differ in one determiner directly after the verb:
    SOT, there, be, determiner, subject_first, subject_rest (every further token, a trailing phrase
    included), full_stop, EOT (Quantmeyer et al. 2024).  Where the negator was inserted, the
    affirmative sentence has no determiner.
Anything else:
    SOT, shared_before, edit, shared_after, EOT; shared_between lies between two edited spans.
    Where the subject's words are known, their tokens are subject_first and subject_rest instead.

Some tokenizers have no start token; their sentences have no SOT.  What a tower reads behind EOT
has roles of its own: padding, and pooled for the position that is read out if it lies there (the
last of the context, or a class token).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from negtrace.models.edits import EditedSpan, counterparts, edited_spans

PADDING, POOLED = "padding", "pooled"

# "many" and "the" are the neutral swaps that a negation is compared with.
DETERMINERS = frozenset({"no", "a", "an", "some", "many", "the"})
DETERMINER_POSITION = 2  # after the start token


class AlignedPair(NamedTuple):
    """Roles and counterparts of both sentences, one entry per token."""

    negated_roles: list[str]
    affirmative_roles: list[str]
    negated_counterparts: list[int | None]
    affirmative_counterparts: list[int | None]


def is_there_pair(negated_words: Sequence[str], spans: Sequence[EditedSpan], start: int) -> bool:
    """Whether the pair is "There is/are <determiner> …", inserted or exchanged for one token.

    Args:
        start: number of start tokens, 0 or 1.
    """
    if len(spans) != 1:
        return False
    at = start + DETERMINER_POSITION
    negated, affirmative = spans[0]
    return (
        negated == range(at, at + 1)
        and len(affirmative) <= 1
        and negated_words[start] == "there"
        and negated_words[start + 1] in {"is", "are"}
        and negated_words[at] in DETERMINERS
    )


def there_roles(words: Sequence[str], has_determiner: bool, start: int = 1) -> list[str]:
    """Roles in a "There is/are" sentence, from the texts of its tokens [n]."""
    head = ["SOT"] * start + ["there", "be"] + ["determiner"] * has_determiner
    tail = ["full_stop"] * (words[-2] == ".") + ["EOT"]
    n_subject = len(words) - len(head) - len(tail)
    subject = ["subject_first"] + ["subject_rest"] * (n_subject - 1)
    return head + subject[:n_subject] + tail


def diff_roles(
    n_tokens: int, edits: Sequence[range], start: int = 1, subject: Collection[int] = ()
) -> list[str]:
    """Roles by where the edited spans lie in a sentence of n tokens; an empty span is a place.

    Args:
        subject: positions of the subject's tokens.
    """
    edited = {i for edit in edits for i in edit}
    first = min(subject, default=None)

    def role(i: int) -> str:
        if i in subject:
            return "subject_first" if i == first else "subject_rest"
        if i in edited:
            return "edit"
        if i < edits[0].start:
            return "shared_before"
        return "shared_after" if i >= edits[-1].stop else "shared_between"

    return ["SOT"] * start + [*(role(i) for i in range(start, n_tokens - 1)), "EOT"]


def align_pair(
    negated: Sequence[int],
    affirmative: Sequence[int],
    word_of: Callable[[int], str],
    start: int = 1,
    subjects: tuple[Collection[int], Collection[int]] = ((), ()),
) -> AlignedPair:
    """Align the two sentences of one pair.

    Args:
        negated, affirmative: token ids, start token to EOT; they must not be equal.
        word_of: text of a token in lower case, without marks of word boundaries.
        start: number of start tokens, 0 or 1.
        subjects: positions of the subject's tokens in either sentence, where they are known.
    """
    spans = edited_spans(negated, affirmative)
    negated_words = [word_of(token) for token in negated]
    if is_there_pair(negated_words, spans, start):
        affirmative_words = [word_of(token) for token in affirmative]
        roles = (
            there_roles(negated_words, True, start),
            there_roles(affirmative_words, len(spans[0].second) == 1, start),
        )
    else:
        roles = (
            diff_roles(len(negated), [span.first for span in spans], start, subjects[0]),
            diff_roles(len(affirmative), [span.second for span in spans], start, subjects[1]),
        )
    return AlignedPair(*roles, *counterparts(len(negated), len(affirmative), spans))


def complete_pair(pair: AlignedPair, lengths: tuple[int, int], pools_at_end: bool) -> AlignedPair:
    """Add what a tower reads behind EOT; it corresponds from the end backwards.

    Args:
        lengths: of the completed negated and affirmative sentence.
        pools_at_end: whether the last position is the one that is read out.
    """
    spoken = (len(pair.negated_roles), len(pair.affirmative_roles))
    behind = tuple(length - n for length, n in zip(lengths, spoken, strict=True))
    columns: list[list[Any]] = [list(column) for column in pair]
    for number, extra in enumerate(behind):
        roles = [PADDING] * extra
        if extra and pools_at_end:
            roles[-1] = POOLED
        columns[number] += roles
        other = 1 - number
        shift = lengths[other] - lengths[number]
        columns[2 + number] += [
            i + shift if i + shift >= spoken[other] else None
            for i in range(spoken[number], lengths[number])
        ]
    return AlignedPair(*columns)
