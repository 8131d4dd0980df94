"""Sentence templates: minimal pairs of equal length in every cell, found by the lexicon."""

from __future__ import annotations

import open_clip
import pytest

from negtrace.data.contrasts import paired
from negtrace.data.controls import neutral_sentence
from negtrace.data.negation import found_negation
from negtrace.data.negators import FUSED
from negtrace.data.sentences import words
from negtrace.data.templates import (
    CLAUSES,
    SLOTS,
    TEMPLATES,
    Fillers,
    negators_of,
    own_template,
    templates_of,
)
from negtrace.errors import InputError

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
    differ = [i for i, both in enumerate(zip(*tokens[:2], strict=True)) if len(set(both)) > 1]
    other = [i for i, both in enumerate(zip(*tokens[::2], strict=True)) if len(set(both)) > 1]
    assert set(other) <= set(differ)
    about = ("red stars" if template.plural else "red star", "blue hearts")
    assert template.control_sentence(negator, *about) == said(template, negator, "control")


@pytest.mark.parametrize(("template", "negator"), CELLS, ids=lambda v: getattr(v, "name", v))
def test_the_lexicon_finds_the_negator(template, negator):
    pair = paired(said(template, negator, "affirmative"), said(template, negator, "negated"))
    assert pair.negation == "foil"
    assert pair.negator.endswith(negator)
    assert FUSED == "n't"


def test_control_of_a_sentence():
    assert neutral_sentence("No stars here.", "Some stars here.")[0] is None
    assert neutral_sentence("No stars here.", "Some stars here.", "Many stars here.") == (
        "Many stars here.",
        "",
    )
    assert neutral_sentence("There are no stars.", "There are some stars.")[0] == (
        "There are many stars."
    )
    assert neutral_sentence("There are no stars.", "There are some stars.", float("nan"))[0] == (
        "There are many stars."
    )


def test_own_texts():
    text = "Look, {determiner} {subjects}!"
    (template,) = templates_of([text])
    assert template.sentence("no", "negated", "dogs") == "Look, no dogs!"
    assert template.name == text
    assert template.control_sentence("not", "dogs") == "Look, still many dogs!"
    wrong = (
        *("there_were", "No {subjects}", "{determiner} {subjects} {others}", "{subject}"),
        {"text": "No {subjects}", "control": "Many {subjects}"},
        {"text": "{determiner} {subjects}", "context": "affirmed"},
    )
    for one in wrong:
        with pytest.raises(InputError, match=r"there_are|determiner"):
            templates_of([one])


def test_own_controls():
    text = "Look, {determiner} {subjects}!"
    (template,) = templates_of([{"text": text, "control": "Look, three {subjects}!"}])
    assert template.control_sentence("no", "dogs") == "Look, three dogs!"
    with pytest.raises(InputError, match="not as many words as 'Look, not any dogs!'"):
        template.control_sentence("not", "dogs")
    (without,) = templates_of([{"text": text, "control": ""}])
    assert without.control_sentence("no", "dogs") is None
    with pytest.raises(InputError, match=r"its control 'Look, dogs!' needs \{subjects\} and"):
        own_template(text, control="Look, dogs!")
    beside = "I see {others} but {determiner} {subjects}."
    own = own_template(beside, "affirmed", "I see {others} but three {subjects}.")
    assert own.control_sentence("no", "dogs", "cats") == "I see cats but three dogs."


def test_groups_of_templates():
    assert templates_of(["clauses"]) == list(CLAUSES)
    assert templates_of(["there_are", "sentences", "second_but"]) == [
        next(t for t in TEMPLATES if t.name == "there_are"),
        *(t for t in TEMPLATES if t.name != "there_are"),
        next(t for t in CLAUSES if t.name == "second_but"),
    ]


def test_partners_negate_the_other_noun():
    by_name = {template.name: template for template in CLAUSES}
    couples = [(t, by_name[t.partner]) for t in CLAUSES if t.partner]
    assert len(couples) == 8
    for template, partner in couples:
        assert partner.partner == template.name
        for negator in template.negators:
            first = template.sentence(negator, "negated", "stars", "hearts")
            second = partner.sentence(negator, "negated", "hearts", "stars")
            kind, reason = found_negation(words(first), words(second))
            assert kind == "scope", (first, second, reason)
            assert sorted(words(first)) == sorted(words(second))
