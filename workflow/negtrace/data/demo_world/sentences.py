"""Sentences about the demo world: VALSE's `existence` grammar, and the templates."""

from __future__ import annotations

from typing import Literal

from negtrace.data.demo_world.scenes import Subject
from negtrace.data.templates import Template

TRAILING_PHRASES = (
    "",
    "in the picture",
    "in the image",
    "in the photo",
    "in the scene",
    "shown",
    "visible",
    "here",
)
Form = Literal["singular", "plural", "plural_some"]
FORMS: tuple[Form, ...] = ("singular", "plural", "plural_some")


def sentence(subject: Subject, form: Form, negated: bool, phrase: str = "") -> str:
    """One sentence of VALSE's `existence` grammar, full stop included."""
    determiner = {"singular": "a", "plural": "", "plural_some": "some"}[form]
    words = [
        "There",
        "is" if form == "singular" else "are",
        "no" if negated else determiner,
        subject.colour or "",
        subject.noun(plural=form != "singular"),
        phrase,
    ]
    return " ".join(word for word in words if word) + "."


def noun_phrase(subject: Subject, plural: bool = True) -> str:
    """The subject in words: "red stars"."""
    return " ".join(filter(None, (subject.colour, subject.noun(plural))))


def from_template(
    template: Template, negator: str, kind: str, subject: Subject, others: Subject | None = None
) -> str:
    """A template's sentence about the demo world; `kind` is a field of its slot's fillers."""
    return template.sentence(
        negator,
        kind,
        noun_phrase(subject, template.plural),
        noun_phrase(others) if others else "",
    )
