"""A minimal pair: the two sentences of an item, which of them is the source, and what differs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from negtrace.data.negation import Kind
from negtrace.data.negators import FUSED, Negator
from negtrace.vocabulary import Negation

# What stands in the negator's place in the affirmative sentence, and what that edit is called;
# after it stands the negator: insert_no, a_to_no.
EDITS: dict[tuple[str, ...], str] = {
    (): "insert",
    ("a",): "a_to",
    ("an",): "a_to",
    ("some",): "some_to",
}
INSERTED, SOME, OTHER = "insert_no", "some_to_no", "other"


class MinimalPair(NamedTuple):
    """The two worded sentences of an item.

    Of a contrast other than negation, `negated` is the source sentence and `affirmative` the base.
    """

    negation: Negation  # whether the caption or the foil is the negated sentence
    negated: str
    affirmative: str
    edit: str  # from the affirmative to the negated sentence, as worded
    kind: Kind = "negation"
    negator: str | None = None  # in lower case
    # Where words stand: `sentences.characters`.
    negator_at: str | None = None
    negated_subject_at: str | None = None
    affirmative_subject_at: str | None = None

    @property
    def caption(self) -> str:
        return self.negated if self.negation == "caption" else self.affirmative

    @property
    def foil(self) -> str:
        return self.affirmative if self.negation == "caption" else self.negated

    @property
    def pair_id(self) -> str:
        return pair_hash(self.negated, self.affirmative)


def pair_hash(negated: str, affirmative: str) -> str:
    """First 12 hex digits of sha256(negated, newline, affirmative)."""
    return hashlib.sha256(f"{negated}\n{affirmative}".encode()).hexdigest()[:12]


def edit_of(negated: Sequence[str], affirmative: Sequence[str], negator: Negator) -> str:
    """The edit from affirmative to negated: the negator at one place, or ``other``.

    Args:
        negated, affirmative: words.
        negator: of the negated sentence.
    """
    first, last = negator.places[0], negator.places[-1]
    if last - first + 1 != len(negator.places):
        return OTHER
    before, after = tuple(negated[:first]), tuple(negated[last + 1 :])
    replaced = dict(EDITS)
    if negator.phrase == FUSED:
        replaced[(negator.text.removesuffix(FUSED),)] = "insert"
    for words, edit in replaced.items():
        if (*before, *words, *after) == tuple(affirmative):
            return f"{edit}_{negator.phrase.replace(' ', '_')}"
    return OTHER
