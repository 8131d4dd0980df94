"""Stems: forms of one word are one, other words are others."""

from __future__ import annotations

import pytest

from negtrace.data.stems import stem


@pytest.mark.parametrize(
    "forms",
    [
        "dog dogs dog's",
        "person people",
        "child children",
        "knife knives",
        "mouse mice",
        "cookie cookies",
        "city cities",
        "ride rides riding rode",
        "sit sits sitting sat",
        "wear wears wearing wore worn",
        "bus buses",
        "glass glasses",
        "box boxes",
        "include includes included including",
        "play plays played playing",
    ],
)
def test_forms_of_one_word(forms):
    assert len({stem(form) for form in forms.split()}) == 1


def test_other_words_are_other_stems():
    words = [
        "dog",
        "king",
        "red",
        "bed",
        "bus",
        "string",
        "car",
        "cap",
        "ring",
        "riding",
        "reading",
    ]
    assert len({stem(word) for word in words}) == len(words)
