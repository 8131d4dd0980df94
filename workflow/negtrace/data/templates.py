"""Sentence templates: one minimal pair per template, negator and subject.

A *slot* is the place where a template's sentences differ.  For every negator that fits there it has
three fillers with as many words each (and as many of CLIP's tokens): the affirmative one, the
negated one, and a *control*: another affirmative one that matches the negator's place and length.
A template's text names one slot, the subject in the plural or the singular, and where it has a
second clause the `{others}` that this clause is about: so "no" stands beside two nouns and is about
one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from negtrace.data.sentences import words
from negtrace.errors import InputError


class Fillers(NamedTuple):
    """What a slot holds in the three sentences of a template."""

    affirmative: str
    negated: str
    control: str


Context = Literal["none", "affirmed", "negated"]
PLURAL, SINGULAR, OTHERS = "subjects", "subject", "others"

SLOTS: dict[str, dict[str, Fillers]] = {
    "determiner": {
        "no": Fillers("some", "no", "many"),
        "zero": Fillers("some", "zero", "many"),
        "not": Fillers("now some", "not any", "still many"),
    },
    "article": {
        "no": Fillers("a", "no", "one"),
        "zero": Fillers("a", "zero", "one"),
    },
    "are": {
        "not": Fillers("are now", "are not", "are still"),
        "n't": Fillers("are now", "aren't", "are still"),
    },
    "can": {
        "not": Fillers("can now", "can not", "can still"),
        "n't": Fillers("can now", "can't", "can still"),
    },
    "do": {
        "not": Fillers("do now", "do not", "do still"),
        "n't": Fillers("do now", "don't", "do still"),
    },
    "with": {
        "without": Fillers("with", "without", "showing"),
        "no": Fillers("with some", "with no", "with many"),
        "zero": Fillers("with some", "with zero", "with many"),
    },
    "quantity": {
        "none": Fillers("some", "none", "many"),
        "zero": Fillers("some", "zero", "many"),
    },
}


@dataclass(frozen=True)
class Template:
    """A sentence with one slot.

    Attributes:
        context: what a second clause claims of its `{others}`: that they are there, or not.
        partner: name of the template in which the slot is the other noun's, as "some X but no Y"
            and "no X but some Y".
        control: text of the control sentence; None: the text with the slot's own control; empty:
            it has none.
    """

    name: str
    text: str
    context: Context = "none"
    control: str | None = None
    partner: str | None = None

    @property
    def slot(self) -> str:
        """The one placeholder that is a slot."""
        (name,) = (n for n in placeholders(self.text) if n in SLOTS)
        return name

    @property
    def plural(self) -> bool:
        return PLURAL in placeholders(self.text)

    @property
    def negators(self) -> tuple[str, ...]:
        return tuple(SLOTS[self.slot])

    def sentence(self, negator: str, kind: str, subject: str, others: str = "") -> str:
        """One sentence, capitalised.

        Args:
            kind: a field of `Fillers`.
            subject: in the number that the template asks for.
            others: what its second clause is about, in the plural.
        """
        return self._filled(self.text, getattr(SLOTS[self.slot][negator], kind), subject, others)

    def control_sentence(self, negator: str, subject: str, others: str = "") -> str | None:
        """What stands for the negated sentence in placebo and controls, if there is one.

        Raises:
            InputError: the template's own control has not as many words as the negated sentence.
        """
        if self.control == "":
            return None
        if self.control is None:
            return self.sentence(negator, "control", subject, others)
        control = self._filled(self.control, "", subject, others)
        negated = self.sentence(negator, "negated", subject, others)
        if len(words(control)) != len(words(negated)):
            raise InputError(
                f"template {self.name!r}: its control {control!r} has not as many words as "
                f"{negated!r}; give one that has, or restrict the dataset's `negators`"
            )
        return control

    def _filled(self, text: str, filler: str, subject: str, others: str) -> str:
        named = {self.slot: filler, PLURAL: subject, SINGULAR: subject, OTHERS: others}
        filled = text.format_map(named)
        return filled[0].upper() + filled[1:]


def placeholders(text: str) -> list[str]:
    """Names in braces, in order."""
    return re.findall(r"{([^{}]*)}", text)


TEMPLATES = (
    Template("determiner_here", "{determiner} {subjects} here."),
    Template("determiner_picture", "{determiner} {subjects} are in the picture."),
    Template("we_do_see", "We {do} see {subjects}."),
    Template("there_verb", "There {are} {subjects}."),
    Template("there_are", "There are {determiner} {subjects}."),
    Template("there_is", "There is {article} {subject}."),
    Template("picture_has", "This picture has {article} {subject}."),
    Template("picture_with", "A picture {with} {subjects}."),
    Template("this_is_a_picture", "This is a picture {with} {subjects}."),
    Template("here_we_see", "Here we see {determiner} {subjects}."),
    Template("in_this_picture", "In this picture there are {determiner} {subjects}."),
    Template("subject_here", "{subjects} {are} here."),
    Template("subject_picture", "{subjects} {are} in the picture."),
    Template("can_be_seen", "{subjects} {can} be seen in the picture."),
    Template("of_these", "Of {subjects} there are {quantity}."),
    Template("question", "Are there {subjects}? {quantity}."),
    Template("listed", "{subjects} in this picture: {quantity}."),
)
CLAUSES = (
    Template(
        "second_and",
        "There are some {others} and {determiner} {subjects}.",
        "affirmed",
        partner="first_and",
    ),
    Template(
        "second_but",
        "There are some {others} but {determiner} {subjects}.",
        "affirmed",
        partner="first_but",
    ),
    Template(
        "first_and",
        "There are {determiner} {subjects} and some {others}.",
        "affirmed",
        partner="second_and",
    ),
    Template(
        "first_but",
        "There are {determiner} {subjects} but some {others}.",
        "affirmed",
        partner="second_but",
    ),
    Template("both_and", "There are no {others} and {determiner} {subjects}.", "negated"),
    Template("both_but", "There are no {others} but {determiner} {subjects}.", "negated"),
    Template(
        "with_second",
        "A picture with {others} and {with} {subjects}.",
        "affirmed",
        partner="with_first",
    ),
    Template(
        "with_first",
        "A picture {with} {subjects} and with {others}.",
        "affirmed",
        partner="with_second",
    ),
    Template("with_both", "A picture without {others} but {with} {subjects}.", "negated"),
    Template(
        "here_second",
        "{others} are here but {subjects} {are} here.",
        "affirmed",
        partner="here_first",
    ),
    Template(
        "here_first",
        "{subjects} {are} here but {others} are here.",
        "affirmed",
        partner="here_second",
    ),
    Template("here_both", "{others} are not here but {subjects} {are} here.", "negated"),
)


GROUPS = {"sentences": TEMPLATES, "clauses": CLAUSES}


def templates_of(given: Iterable[str | Mapping[str, Any]]) -> list[Template]:
    """Templates by name, by the name of a group of them, or of the user's own (`own_template`).

    Raises:
        InputError: there is no such template, or one of the user's own is none.
    """
    known = {template.name: (template,) for template in (*TEMPLATES, *CLAUSES)}
    found: dict[str, Template] = {}
    for one in given:
        plain = {"text": one} if isinstance(one, str) else one
        text = str(plain["text"])
        own = len(plain) > 1 or "{" in text
        if not own and text not in GROUPS | known:
            raise InputError(
                f"there is no template {text!r}; use a text with a slot and a subject in braces, or"
                f" one of {', '.join(GROUPS | known)}"
            )
        chosen = (own_template(**plain),) if own else (GROUPS | known)[text]
        found |= {template.name: template for template in chosen}
    return list(found.values())


def own_template(text: str, context: Context = "none", control: str | None = None) -> Template:
    """A template of the user's, whose name is its text.

    Raises:
        InputError: the text has not one slot and one subject, and `{others}` where it has a
            context; or the control has something else in braces than these nouns.
    """
    nouns = [OTHERS] if context != "none" else []
    found = placeholders(text)
    slots = [place for place in found if place in SLOTS]
    subjects = [place for place in found if place in (PLURAL, SINGULAR)]
    if (
        len(slots) != 1
        or len(subjects) != 1
        or sorted(found) != sorted([*slots, *subjects, *nouns])
    ):
        raise InputError(
            f"template {text!r}: it needs one of {{{PLURAL}}}, {{{SINGULAR}}} and one slot "
            f"({', '.join(f'{{{slot}}}' for slot in SLOTS)}), with a `context` {{{OTHERS}}} as "
            "well, and nothing else in braces"
        )
    if control and sorted(placeholders(control)) != sorted([*subjects, *nouns]):
        raise InputError(
            f"template {text!r}: its control {control!r} needs "
            f"{', '.join(f'{{{noun}}}' for noun in (*subjects, *nouns))} and nothing else in braces"
        )
    return Template(text, text, context, control)


def negators_of(templates: Iterable[Template]) -> list[str]:
    """All negators of some templates, in the order in which slots have them."""
    return list(dict.fromkeys(n for template in templates for n in template.negators))
