"""Noun phrases by a rule on words, not a parser: what a sentence is about.

A phrase goes on up to a preposition, relative pronoun, conjunction, verb, complement ("shown",
"parked", "playing") or punctuation mark.  A participle is taken for a complement unless it begins
the phrase: "walking signs", but "wooden (cutting boards)".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from negtrace.data.sentences import words

DETERMINERS = frozenset(
    words("no a an some the any many several few two three four five this these that those")
)
PRONOUNS = frozenset(words("they them he him she her it we us you i one someone something"))
PREPOSITIONS = frozenset(
    words(
        "about above across against along among around at behind below beside between by down "
        "during for from in inside into like near next of off on onto out outside over past "
        "through to toward towards under up upon with within without"
    )
)
CONNECTIVES = frozenset(
    words("and but nor or that which who whom whose where while not also clearly here there")
)
VERBS = frozenset(words("appear appears are be been had has have is was wear wears were"))
# A phrase ends at any of these.
BOUNDARIES = PREPOSITIONS | CONNECTIVES | VERBS
# A phrase ends at these after a word ("cars visible"), but may begin with them ("visible cars").
COMPLEMENTS = frozenset(
    words(
        "available awake drawn eaten held hung left made present seen shown taken together visible "
        "worn"
    )
)
PARTICIPLE = re.compile(r"[a-z]{3,}(?:ing|ed)")  # complements too, but for these nouns
NO_PARTICIPLES = frozenset(
    words("awning building ceiling clothing earring hundred painting railing spring string wedding")
)


def noun_phrase(sentence: Sequence[str], start: int = 0) -> range:
    """Places of the phrase that begins at a word, without its determiner; empty if none does."""
    first = start
    while first < len(sentence) and (sentence[first] in DETERMINERS or sentence[first].isdigit()):
        first += 1
    end = first
    while end < len(sentence) and not _ends_phrase(sentence[end], end > first):
        end += 1
    return range(first, end)


def subject_phrase(sentence: str) -> str | None:
    """The first noun phrase after "There is/are", in lower case, without its determiner.

    Returns:
        None if the sentence does not begin with "There is/are" or names nothing but a pronoun.
    """
    there, be, *rest = (*words(sentence), "", "")
    if there != "there" or be not in ("is", "are"):
        return None
    phrase = noun_phrase(rest)
    found = " ".join(rest[phrase.start : phrase.stop])
    return None if found in PRONOUNS else found or None


def _ends_phrase(word: str, after_a_word: bool) -> bool:
    if word in BOUNDARIES or not word[:1].isalnum():
        return True
    participle = PARTICIPLE.fullmatch(word) is not None and word not in NO_PARTICIPLES
    return after_a_word and (word in COMPLEMENTS or participle)
