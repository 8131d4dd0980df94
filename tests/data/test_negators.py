"""Negators: what negates in a sentence, and what only looks like it."""

from __future__ import annotations

import pytest

from negtrace.data.negators import LEXICON, negators
from negtrace.data.sentences import words


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("There are no dogs.", ["no"]),
        ("Dogs are not here.", ["not"]),
        ("The dog isn't here, the cat can’t be seen.", ["isn't", "can't"]),
        ("The cat cannot be seen.", ["cannot"]),
        ("A street without cars.", ["without"]),
        ("It never rains; none came, nobody saw nothing.", ["never", "none", "nobody", "nothing"]),
        ("No one is here, no-one there, nowhere.", ["no one", "no-one", "nowhere"]),
        ("Neither a cat nor a dog is here.", ["neither … nor"]),
        ("A cat is not here, nor is a dog.", ["not", "nor"]),
        ("The dog is no longer there.", ["no longer"]),
        ("There is no sign of a dog.", ["no sign of"]),
        ("It lacks a chair, lacking legs.", ["lacks", "lacking"]),
        ("A dog is missing and a cat is absent from it.", ["missing", "absent from"]),
        ("Free of snow, devoid of trees, with zero cars.", ["free of", "devoid of", "zero"]),
        ("NO Dogs", ["no"]),
    ],
)
def test_every_negator_of_the_lexicon(sentence, found):
    assert [negator.text for negator in negators(words(sentence))] == found


@pytest.mark.parametrize(
    "sentence",
    [
        "Is it a park? no.",
        "is this indoors? No",
        "Bus no. 5 waits.",
        "Not only a dog.",
        "No doubt a dog.",
        "A notable knot.",
        "A no-parking sign.",
        "There is free parking.",
        "A cat with a zeroed lens and a lacklustre coat.",
    ],
)
def test_what_does_not_negate(sentence):
    assert negators(words(sentence)) == []


def test_places_are_those_of_its_words():
    neither, no_longer = negators(words("neither cats nor dogs are, no longer"))
    assert neither.places == (0, 2)
    assert no_longer.places == (6, 7)


def test_the_lexicon_is_what_it_is_told():
    sentence = words("Hardly any dog is not here.")
    assert [n.text for n in negators(sentence, (*LEXICON, "hardly"))] == ["hardly", "not"]
    assert [n.text for n in negators(sentence, ("hardly any",))] == ["hardly any"]
    assert negators(words("It isn't."), ("not",)) == []
