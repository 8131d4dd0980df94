"""What figures and sentences say of a negation, said of another contrast.

All of them are written for the contrast negation.  Of another one the negated sentence is the
*source*, the affirmative one the *base*, and the negator the words that differ.
"""

from __future__ import annotations

import re

NEGATION = "negation"

# In this order; what is found is replaced with or without a capital.
_WORDS = (
    ("over both negations", "over all items"),
    ("either negation", "either place of the source"),
    ("one negation", "one place of the source"),
    ("negation in", "source in"),
    ("negation is in", "source is in"),
    ("negation", "contrast"),
    ("direction negate", "direction source into base"),
    ("direction affirm", "direction base into source"),
    ("negated sentence", "source sentence"),
    ("affirmative sentence", "base sentence"),
    ("negated", "source"),
    ("affirmative", "base"),
    ("negator selectivity", "selectivity"),
    ("the negator's", "the differing words'"),
    ("the negator", "the words that differ"),
)


def said_of(text: str, contrast: str) -> str:
    """A text about negation as one about a dataset's contrast.

    Args:
        contrast: key of `vocabulary.CONTRASTS`.
    """
    if contrast == NEGATION:
        return text
    for ours, theirs in _WORDS:
        pattern = rf"\b({ours[0]})({re.escape(ours[1:])})(?!\w)"
        text = re.sub(pattern, lambda found: _alike(theirs, found[1]), text, flags=re.IGNORECASE)  # noqa: B023
    return text


def _alike(words: str, initial: str) -> str:
    return words[0].upper() + words[1:] if initial.isupper() else words
