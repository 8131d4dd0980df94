"""Negators: English words that negate, and where a sentence has them.

A negator is a word or a phrase ("no longer"); "n't" stands for every form that it is fused with
("isn't", "can't").  "neither … nor" is one negator of two words.  A "no" that stands alone ("Is it
sunny? no.") or abbreviates "number" ("Bus no. 5") negates no word of its sentence, and phrases such
as "not only" do not negate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from negtrace.data.sentences import words

FUSED = "n't"
LEXICON = (
    *("no", "not", FUSED, "cannot", "without", "never", "none", "nobody", "no one", "no-one"),
    *("nothing", "nowhere", "neither", "nor", "no longer", "no sign of", "no signs of"),
    *("lack", "lacks", "lacked", "lacking", "missing", "absent", "absent from", "absent of"),
    *("free of", "free from", "devoid of", "zero", "omits", "omitting", "excludes", "excluding"),
)
STOPS = frozenset(".,;:!?")
NO_NEGATION = tuple(
    words(phrase)
    for phrase in ("not only", "not just", "no doubt", "no matter", "nothing but", "whether or not")
)


class Negator(NamedTuple):
    """A negator of a sentence."""

    phrase: str  # as in the lexicon
    text: str  # as in the sentence, in lower case
    places: tuple[int, ...]  # of its words


def negators(sentence: Sequence[str], lexicon: Iterable[str] = LEXICON) -> list[Negator]:
    """The negators of a sentence, in its order; of two phrases at one place the longer counts.

    Args:
        sentence: its words, as `sentences.words` cuts them.
    """
    phrases = _phrases(tuple(lexicon))
    sentence = [word.replace("\u2019", "'") for word in sentence]
    found: list[Negator] = []
    place = 0
    while place < len(sentence):
        phrase, length = _at(sentence, place, phrases)
        if phrase is not None:
            span = tuple(range(place, place + length))
            found.append(Negator(phrase, " ".join(sentence[i] for i in span), span))
        place += length
    return _with_pairs(found)


@cache
def _phrases(lexicon: tuple[str, ...]) -> tuple[tuple[tuple[str, ...], str | None], ...]:
    """Words of every phrase, the longer first, and what it is called if it negates."""
    named: list[tuple[tuple[str, ...], str | None]] = [(phrase, None) for phrase in NO_NEGATION]
    named += [(words(phrase), phrase) for phrase in lexicon if phrase != FUSED]
    return tuple(sorted(named, key=lambda entry: -len(entry[0]))) + (
        (((FUSED,), FUSED),) if FUSED in lexicon else ()
    )


def _at(
    sentence: Sequence[str],
    place: int,
    phrases: Sequence[tuple[tuple[str, ...], str | None]],
) -> tuple[str | None, int]:
    """The phrase that begins at a place, and how many words to go on by."""
    for phrase, name in phrases:
        if phrase == (FUSED,):
            if sentence[place].endswith(FUSED):
                return name, 1
        elif tuple(sentence[place : place + len(phrase)]) == phrase:
            return (None if phrase == ("no",) and _alone(sentence, place) else name), len(phrase)
    return None, 1


def _alone(sentence: Sequence[str], place: int) -> bool:
    """Whether no word follows that a "no" could negate."""
    return place + 1 == len(sentence) or sentence[place + 1] in STOPS


def _with_pairs(found: Sequence[Negator]) -> list[Negator]:
    """The same, with every "neither" and the "nor" after it as one."""
    joined: list[Negator] = []
    for negator in found:
        last = joined[-1] if joined else None
        if last and negator.phrase == "nor" and last.phrase == "neither":
            text = f"{last.text} … {negator.text}"
            joined[-1] = Negator("neither", text, last.places + negator.places)
        else:
            joined.append(negator)
    return joined
