"""Negation: which sentence negates what, and pairs that are none."""

from __future__ import annotations

import re

import pytest

from negtrace.data.contrasts import Contrast, paired
from negtrace.data.minimal_pair import MinimalPair
from negtrace.data.stems import stem


def pair(negated: str, affirmative: str) -> MinimalPair:
    """The pair; the same whichever of the two is the caption."""
    made, turned = paired(negated, affirmative), paired(affirmative, negated)
    assert isinstance(made, MinimalPair), made
    assert isinstance(turned, MinimalPair), turned
    assert (made.negation, turned.negation) == ("caption", "foil")
    assert made[1:] == turned[1:]
    return made


def at(sentence: str, places: str | None) -> list[str]:
    if places is None:
        return []
    return [sentence[slice(*map(int, span.split("-")))] for span in places.split()]


@pytest.mark.parametrize(
    ("negated", "affirmative", "edit", "negator", "subject"),
    [
        ("There is no dog.", "There is a dog.", "a_to_no", ["no"], "dog"),
        ("No dogs bark.", "dogs bark.", "insert_no", ["No"], None),
        ("Dogs are not here.", "Dogs are here.", "insert_not", ["not"], "Dogs"),
        ("There isn't a dog.", "There is a dog.", "insert_n't", ["isn't"], "dog"),
        ("There are no longer dogs.", "There are dogs.", "insert_no_longer", ["no longer"], "dogs"),
        ("There are zero dogs.", "There are some dogs.", "some_to_zero", ["zero"], "dogs"),
        ("A man cannot sit.", "A man can sit.", "other", ["cannot"], "man"),
        ("A street without a car.", "A street with a car.", "other", ["without"], "car"),
        ("The image lacks a big dog.", "A big dog is here.", "other", ["lacks"], "big dog"),
        ("It does not feature a dog.", "A dog is present.", "other", ["not"], "dog"),
        ("A dog is noticeably absent from it.", "It has a dog.", "other", ["absent from"], "dog"),
        ("This image includes a cup but not dogs", "It includes dogs", "other", ["not"], "dogs"),
        ("A cup is here, but a dog is not.", "A dog is here.", "other", ["not"], "dog"),
        ("No red car is seen.", "A red car is seen.", "a_to_no", ["No"], "red car"),
        (
            "Neither a cat nor a dog is here.",
            "A cat and a dog.",
            "other",
            ["Neither", "nor"],
            "cat",
        ),
        ("Nobody is on the beach.", "People are on the beach.", "other", ["Nobody"], None),
        ("There are none.", "There are some.", "some_to_none", ["none"], None),
        (
            "There are no stars and not any hearts.",
            "There are no stars and now some hearts.",
            "other",
            ["not"],
            "hearts",
        ),
        (
            "There are no dogs and no cats.",
            "There are dogs and no cats.",
            "insert_no",
            ["no"],
            "dogs",
        ),
        ("No dog sits.", "A dog is sitting.", "other", ["No"], None),
        ("There are no children.", "There is a child.", "other", ["no"], "children"),
    ],
)
def test_negation_pairs(negated, affirmative, edit, negator, subject):
    found = pair(negated, affirmative)
    assert (found.kind, found.edit) == ("negation", edit)
    assert at(negated, found.negator_at) == negator
    assert found.negator == " … ".join(negator).lower()
    named = at(negated, found.negated_subject_at)
    if subject:
        assert named == [subject]
        (other,) = at(affirmative, found.affirmative_subject_at)
        assert [stem(w.lower()) for w in other.split()] == [
            stem(w.lower()) for w in subject.split()
        ]


@pytest.mark.parametrize(
    ("caption", "foil", "kind", "reason"),
    [
        ("No dogs are here.", "Dogs are not here.", "scope", "scope: both .*“no.*"),
        ("A sofa with no dog.", "A sofa that lacks a chair.", "scope", "scope: both .*"),
        ("It has a cat but no dog.", "It has a dog but no cat.", "scope", "scope: both .*"),
        ("It does not include cats.", "It does not include dogs.", "scope", "scope: both .*"),
        ("There is no dog.", "There is a cat.", "scope", "scope: what .*: dog.*"),
        ("A man is not reading.", "A man is eating.", "scope", "scope: what .*man, read.*"),
        ("No dogs play here.", "Dogs sleep here.", "scope", "scope: what .*"),
        ("There is no dog, no cat.", "There is no cat, a bird.", "scope", "scope: what .*: cat.*"),
        ("No red cat here.", "A blue cat here.", "scope", "scope: what .*"),
        ("There are no dogs and no cats.", "There are dogs and cats.", "other", "one .* several.*"),
        ("is it a park? yes.", "is it a park? no.", "other", "no negator.*"),
        ("Bus no. 5.", "Bus 5.", "other", "no negator.*"),
        ("A man with no hat and a red cup.", "A man with no hat and a cup.", "other", "no neg.*"),
        ("A red cup.", "A blue cup.", "other", "no negator.*"),
    ],
)
def test_pairs_that_are_no_negation(caption, foil, kind, reason):
    for both in ((caption, foil), (foil, caption)):
        found = paired(*both)
        assert isinstance(found, str)
        assert re.fullmatch(reason, found)
        any_pair = paired(*both, Contrast("caption"))
        assert isinstance(any_pair, MinimalPair)
        assert any_pair.kind == kind
