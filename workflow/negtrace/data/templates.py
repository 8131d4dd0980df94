"""Sentence templates: one minimal pair per template, negator and subject.

A *slot* is the place where a template's sentences differ.  For every negator that fits there it has
three fillers with as many words each (and as many of CLIP's tokens): the affirmative one, the
negated one, and a *control*: another affirmative one that matches the negator's place and length.
A template's text names one slot, the subject in the plural or the singular, and where it has a
second clause the `{others}` that this clause is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal, NamedTuple

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

    `context` says what a second clause claims of its `{others}`: that they are there, or not.
    """

    name: str
    text: str
    context: Context = "none"

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
        filler = getattr(SLOTS[self.slot][negator], kind)
        text = self.text.format_map(
            {self.slot: filler, PLURAL: subject, SINGULAR: subject, OTHERS: others}
        )
        return text[0].upper() + text[1:]


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
    Template("second_and", "There are some {others} and {determiner} {subjects}.", "affirmed"),
    Template("second_but", "There are some {others} but {determiner} {subjects}.", "affirmed"),
    Template("first_and", "There are {determiner} {subjects} and some {others}.", "affirmed"),
    Template("first_but", "There are {determiner} {subjects} but some {others}.", "affirmed"),
    Template("both_and", "There are no {others} and {determiner} {subjects}.", "negated"),
    Template("both_but", "There are no {others} but {determiner} {subjects}.", "negated"),
    Template("with_second", "A picture with {others} and {with} {subjects}.", "affirmed"),
    Template("with_first", "A picture {with} {subjects} and with {others}.", "affirmed"),
    Template("with_both", "A picture without {others} but {with} {subjects}.", "negated"),
    Template("here_second", "{others} are here but {subjects} {are} here.", "affirmed"),
    Template("here_first", "{subjects} {are} here but {others} are here.", "affirmed"),
    Template("here_both", "{others} are not here but {subjects} {are} here.", "negated"),
)


def template_of(name: str) -> Template:
    """A template by its name, or by its text, which then is its name, too.

    Raises:
        InputError: there is no such template, or the text has not one slot and one subject.
    """
    known = {template.name: template for template in TEMPLATES}
    if name in known:
        return known[name]
    found = placeholders(name)
    slots = [place for place in found if place in SLOTS]
    subjects = [place for place in found if place in (PLURAL, SINGULAR)]
    if len(slots) == len(subjects) == 1 and len(found) == 2:
        return Template(name, name)
    if found:
        raise InputError(
            f"template {name!r}: it needs one of {{{PLURAL}}}, {{{SINGULAR}}} and one slot "
            f"({', '.join(f'{{{slot}}}' for slot in SLOTS)}), and nothing else in braces"
        )
    raise InputError(
        f"there is no template {name!r}; use a text with a slot and a subject in braces, or one of "
        f"{', '.join(known)}"
    )


def negators_of(templates: Iterable[Template]) -> list[str]:
    """All negators of some templates, in the order in which slots have them."""
    return list(dict.fromkeys(n for template in templates for n in template.negators))


def control_sentence(negated: str, affirmative: str) -> str | None:
    """The control of a pair that a template has made; None of any other."""
    for template in (*TEMPLATES, *CLAUSES):
        for negator in template.negators:
            found = _pattern(template, negator).fullmatch(negated)
            if found:
                named = found.groupdict("")
                subject, others = named["subject"], named.get("others", "")
                of_kind = partial(template.sentence, negator, subject=subject, others=others)
                if of_kind("affirmative").lower() == affirmative.lower():
                    return of_kind("control")
    return None


@cache
def _pattern(template: Template, negator: str) -> re.Pattern[str]:
    """Matches a template's negated sentences; names what they are about."""
    filler = re.escape(SLOTS[template.slot][negator].negated)
    parts = {
        template.slot: filler,
        PLURAL: "(?P<subject>.+)",
        SINGULAR: "(?P<subject>.+)",
        OTHERS: "(?P<others>.+)",
    }
    pieces = re.split(r"{([^{}]*)}", template.text)
    escaped = [parts[p] if number % 2 else re.escape(p) for number, p in enumerate(pieces)]
    return re.compile("".join(escaped), re.IGNORECASE)
