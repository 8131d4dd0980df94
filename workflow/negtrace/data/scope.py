"""Scope: what a negator of a sentence is about, by a rule on words, not by a parser.

It is the content words after the negator in its clause and, before "not", "n't", "never",
"missing", "absent" and the like, the noun phrase that begins the clause.  Words that say no more
than that something can be seen ("present", "in this image") are no content.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from negtrace.data.negators import FUSED, Negator
from negtrace.data.noun_phrases import DETERMINERS, PREPOSITIONS, VERBS, noun_phrase
from negtrace.data.sentences import words
from negtrace.data.stems import stem

Words = Sequence[str]

# Negators of a clause, whose subject stands before them; others negate the phrase after them.
OF_CLAUSE = frozenset(
    {"not", FUSED, "cannot", "never", "nowhere", "no longer", "missing", "absent", "absent from"}
)
# Stand for what they negate, so that any indefinite affirms it; some for a person.
OF_PERSONS = frozenset({"nobody", "no one", "no-one"})
PRONOUNS = OF_PERSONS | {"none", "nothing", "nowhere"}
INDEFINITE = frozenset(words("somebody someone something anything people person somewhere things"))

CLAUSE_ENDS = frozenset(words("but that while although though however whereas yet , ; . : ! ?"))
AUXILIARIES = frozenset(
    words("am is are was were be been being do does did can could will would may might must should")
)
FUNCTION = DETERMINERS | PREPOSITIONS | AUXILIARIES | frozenset(words("there and or either it its"))
# The picture and who looks at it.
FRAME = frozenset(
    words("image picture photo photograph scene view frame shot it this that you we one i")
)
PRESENCE = (
    FRAME
    | VERBS
    | frozenset(
        words(
            "present visible seen see shown show shows showing included include includes including "
            "featured feature features featuring contain contains contained depict depicts "
            "depicted display displays displayed appear appearing find found sight "
            "having noticeably both here anywhere alongside also other than"
        )
    )
)


class Subject(NamedTuple):
    """Places of one noun's words in the negated and in the affirmative sentence."""

    negated: range
    affirmative: range


def content(sentence: Words, negator: Negator) -> frozenset[str]:
    """Stems of what a negator negates."""
    start, end = _clause(sentence, negator)
    after = range(negator.places[-1] + 1, end)
    if negator.phrase in OF_CLAUSE:
        places = [*_before(sentence, negator, start), *after]
    else:
        places = [i for i in range(negator.places[0], end) if i not in negator.places]
        if not content_words(sentence, places):
            places = list(_before(sentence, negator, start))
    person = {"person"} if negator.phrase in OF_PERSONS else set()
    return content_words(sentence, places) | person


def subject(negated: Words, affirmative: Words, negator: Negator) -> Subject | None:
    """The noun that is negated, where both sentences name it; of a longer phrase its last words."""
    start, end = _clause(negated, negator)
    first = negator.places[0]
    after = _first_phrase(negated, negator.places[0] + _length(negator), end)
    before = _before(negated, negator, start)
    order = (before, after) if negator.phrase in OF_CLAUSE else (after, before)
    phrase = next((found for found in order if found), range(first, first))
    for length in range(len(phrase), 0, -1):
        noun = [stem(word) for word in negated[phrase.stop - length : phrase.stop]]
        for i in range(len(affirmative) - length + 1):
            if [stem(word) for word in affirmative[i : i + length]] == noun:
                return Subject(range(phrase.stop - length, phrase.stop), range(i, i + length))
    return None


def common_subject(first: Words, second: Words) -> Subject | None:
    """The noun that both sentences of any pair are about, where that can be told.

    It is the phrase after "There is/are", or one that begins the sentence and stands right before a
    form of "be" or "have".
    """
    phrases = [_sentence_subject(sentence) for sentence in (first, second)]
    length = 0
    while length < min(map(len, phrases)) and (
        first[phrases[0].stop - length - 1] == second[phrases[1].stop - length - 1]
    ):
        length += 1
    if not length:
        return None
    return Subject(*(range(phrase.stop - length, phrase.stop) for phrase in phrases))


def _sentence_subject(sentence: Words) -> range:
    if len(sentence) > 2 and sentence[0] == "there" and sentence[1] in ("is", "are"):
        start = 2
        while start < len(sentence) and sentence[start] in ("exactly", "only", "just"):
            start += 1
        return noun_phrase(sentence, start)
    phrase = noun_phrase(sentence)
    if (
        phrase.stop < len(sentence)
        and sentence[phrase.stop] in VERBS
        and not _framed(sentence, phrase)
    ):
        return phrase
    return range(0)


def content_words(sentence: Words, places: Sequence[int] | range) -> frozenset[str]:
    return frozenset(
        stem(word)
        for word in (sentence[i].removesuffix("'s") for i in places)
        if word[:1].isalnum() and word not in FUNCTION and word not in PRESENCE
    )


def _clause(sentence: Words, negator: Negator) -> tuple[int, int]:
    """[start, end) of the clause that a negator stands in."""
    first, last = negator.places[0], negator.places[-1]
    ends = [i for i, word in enumerate(sentence) if word in CLAUSE_ENDS and i not in negator.places]
    # "no hat and a red cup", "no stars and now some hearts": what follows is not negated.
    others = [
        i
        for i, (word, following) in enumerate(pairwise(sentence))
        if word == "and" and (following in DETERMINERS or following == "now")
    ]
    return (
        max((i + 1 for i in ends if i < first), default=0),
        min((i for i in (*ends, *others) if i > last), default=len(sentence)),
    )


def _before(sentence: Words, negator: Negator, start: int) -> range:
    """The noun phrase that begins a negator's clause; empty if it is the picture."""
    start += sentence[start] in ("and", "or")
    end = negator.places[0]
    end = next((i for i in range(start, end) if sentence[i] in AUXILIARIES), end)
    phrase = noun_phrase(sentence[:end], start)
    return range(0) if _framed(sentence, phrase) else phrase


def _first_phrase(sentence: Words, start: int, end: int) -> range:
    """The first noun phrase from a place on that is not of verbs alone."""
    while start < end and sentence[start] in PRESENCE | AUXILIARIES | {"of"}:
        start += 1
    phrase = noun_phrase(sentence[:end], start)
    return range(0) if _framed(sentence, phrase) else phrase


def _framed(sentence: Words, phrase: range) -> bool:
    return not phrase or sentence[phrase.stop - 1] in FRAME


def _length(negator: Negator) -> int:
    """Words of a negator that stand together at its first place."""
    return next(
        (n for n, (a, b) in enumerate(pairwise(negator.places), 1) if b != a + 1),
        len(negator.places),
    )
