"""Sentence templates: minimal pairs of equal length in every cell, found by the lexicon."""

from __future__ import annotations

import open_clip
import pytest

from negtrace.data.contrasts import paired
from negtrace.data.controls import neutral_sentence
from negtrace.data.negators import FUSED
from negtrace.data.sentences import words
from negtrace.data.templates import (
    CLAUSES,
    SLOTS,
    TEMPLATES,
    Fillers,
    control_sentence,
    negators_of,
    template_of,
)
from negtrace.errors import InputError

# A context that denies one thing and "not any" that denies another cannot be told apart.
UNREAD = {("both_and", "not")}
CELLS = [(t, n) for t in (*TEMPLATES, *CLAUSES) for n in t.negators]


def said(template, negator, kind):
    subject = "red stars" if template.plural else "red star"
    return template.sentence(negator, kind, subject, "blue hearts")


def test_as_many_as_the_question_needs():
    assert len(TEMPLATES) >= 12
    assert set(negators_of(TEMPLATES)) == {"no", "not", "n't", "without", "zero", "none"}
    places = set()
    for template in TEMPLATES:
        for negator in template.negators:
            sentence = words(said(template, negator, "negated"))
            filler = words(SLOTS[template.slot][negator].negated)
            places.add((sentence.index(filler[0]), sentence.index(filler[-1]) == len(sentence) - 2))
    assert 0 in {place for place, _ in places}
    assert any(last for _, last in places)
    assert len({place for place, _ in places}) >= 6


@pytest.mark.parametrize(("template", "negator"), CELLS, ids=lambda v: getattr(v, "name", v))
def test_fillers_match_in_place_and_length(template, negator):
    tokenizer = open_clip.SimpleTokenizer()
    sentences = [said(template, negator, kind) for kind in Fillers._fields]
    tokens = [tokenizer.encode(sentence) for sentence in sentences]
    assert len({len(one) for one in tokens}) == 1
    assert len(set(sentences)) == 3
    affirmative, negated, _ = sentences
    differ = [i for i, both in enumerate(zip(*tokens[:2], strict=True)) if len(set(both)) > 1]
    other = [i for i, both in enumerate(zip(*tokens[::2], strict=True)) if len(set(both)) > 1]
    assert set(other) <= set(differ)
    assert neutral_sentence(negated, affirmative)[0] is not None


@pytest.mark.parametrize(("template", "negator"), CELLS, ids=lambda v: getattr(v, "name", v))
def test_the_lexicon_finds_the_negator(template, negator):
    pair = paired(said(template, negator, "affirmative"), said(template, negator, "negated"))
    if (template.name, negator) in UNREAD:
        assert isinstance(pair, str)
        return
    assert pair.negation == "foil"
    assert pair.negator.endswith(negator)
    assert FUSED == "n't"


def test_control_of_a_sentence():
    assert control_sentence("No red stars here.", "Some red stars here.") == (
        "Many red stars here."
    )
    assert control_sentence("A picture without hats.", "A picture with hats.") == (
        "A picture showing hats."
    )
    assert control_sentence("A dog without a hat.", "A dog with a hat.") is None
    assert control_sentence("No dogs here.", "Some cats here.") is None
    assert neutral_sentence("There are no stars.", "There are some stars.")[0] == (
        "There are many stars."
    )


def test_own_texts():
    template = template_of("Look, {determiner} {subjects}!")
    assert template.sentence("no", "negated", "dogs") == "Look, no dogs!"
    assert template.name == "Look, {determiner} {subjects}!"
    for wrong in ("there_were", "No {subjects}", "{determiner} {subjects} {others}", "{subject}"):
        with pytest.raises(InputError, match=r"there_are|determiner"):
            template_of(wrong)
