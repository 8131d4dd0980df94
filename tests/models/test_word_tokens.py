"""Tokens of words: by CLIP's tokenizer, and where a tokenizer cuts words otherwise."""

from __future__ import annotations

import pytest
from test_alignment import decode, encode

from negtrace.models.word_tokens import tokens_at


@pytest.mark.parametrize(
    ("sentence", "at", "tokens"),
    [
        ("There are no dogs.", "10-12", ["no"]),
        ("No dogs.", "0-2", ["no"]),
        ("There isn't a dog.", "6-11", ["isn", "'t"]),
        ("There are no longer dogs", "10-19", ["no", "longer"]),
        ("neither cats nor dogs", "0-7 13-16", ["neither", "nor"]),
        ("I see no surfboarders here", "9-21", ["surf", "boar", "ders"]),
    ],
)
def test_tokens_of_a_stretch(sentence, at, tokens):
    ids = encode(sentence)
    found = tokens_at(sentence, at, ids, encode, 1)
    assert found is not None
    assert [decode(ids[i]) for i in found] == tokens


def test_a_tokenizer_without_start_token():
    def cut(sentence: str) -> list[int]:
        return [len(word) for word in sentence.split()] + [0]

    assert tokens_at("No big dogs", "0-2", cut("No big dogs"), cut, 0) == [0]
    assert tokens_at("No big dogs", "3-6", cut("No big dogs"), cut, 0) == [1]


def test_a_tokenizer_that_cuts_the_end_otherwise():
    def cut(sentence: str) -> list[int]:
        return [hash(sentence) % 97, 1, 0]

    assert tokens_at("There are no dogs", "10-12", cut("There are no dogs"), cut, 0) is None
