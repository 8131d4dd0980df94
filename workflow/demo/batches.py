"""What a step of the text encoder sees: pairs of sentences, their truth, and weights.

A pair is an affirmative and a negated sentence that differ in one clause.  `subject` is what this
clause is about; a pair from a template with a second clause has a `context`: sentences are true
only where the context holds, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from world import WORDS, World, balance, per_column

from negtrace.data import templates
from negtrace.data.demo_world import scenes
from negtrace.data.demo_world.sentences import FORMS, TRAILING_PHRASES, from_template, sentence

KINDS = (0.35, 0.4, 0.25)  # pairs in VALSE's grammar, from a template, with two clauses
Option = TypeVar("Option")


@dataclass(frozen=True)
class Pair:
    """Two sentences; subject and context are numbers in `World.subjects`."""

    affirmative: str
    negated: str
    subject: int
    context: int | None = None
    affirmed: bool = True  # what the second clause claims of its context


class Speaker:
    """Draws pairs of sentences about a world."""

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self.world, self.rng = world, rng

    def pairs(self, count: int, chosen: np.ndarray) -> list[Pair]:
        """Pairs of sentences, those with two clauses about objects of the chosen scenes."""
        kinds = self.rng.choice(3, size=count, p=KINDS)
        subjects = self.rng.choice(len(self.world.subjects), size=count, p=self.world.shares)
        makers = (self._in_valse, self._from_template)
        return [
            self._two_clauses(chosen) if kind == 2 else makers[kind](int(subject))
            for kind, subject in zip(kinds, subjects, strict=True)
        ]

    def _pick(self, options: Sequence[Option]) -> Option:
        return options[int(self.rng.integers(len(options)))]

    def _in_valse(self, subject: int) -> Pair:
        form, phrase = self._pick(FORMS), self._pick(TRAILING_PHRASES)
        said = self.world.subjects[subject]
        return Pair(*(sentence(said, form, no, phrase) for no in (False, True)), subject)

    def _from_template(self, subject: int) -> Pair:
        return Pair(*self._said(self._pick(templates.TEMPLATES), subject, None), subject)

    def _said(
        self, template: templates.Template, subject: int, context: int | None
    ) -> tuple[str, str]:
        negator = self._pick(template.negators)
        others = None if context is None else self.world.subjects[context]
        affirmative, negated = (
            from_template(template, negator, kind, self.world.subjects[subject], others)
            for kind in (self._pick(("affirmative", "control")), "negated")
        )
        return affirmative, negated

    def _two_clauses(self, chosen: np.ndarray) -> Pair:
        template = self._pick(templates.CLAUSES)
        affirmed = template.context == "affirmed"
        while True:
            things = self.world.pool[int(self._pick(chosen))].things
            other = things if affirmed else self.world.pool[int(self._pick(chosen))].things
            a, b = self._named(self._pick(things)), self._named(self._pick(other))
            if not (implies(a, b) or implies(b, a)):
                subject, context = (self.world.number[named] for named in (a, b))
                return Pair(*self._said(template, subject, context), subject, context, affirmed)

    def _named(self, thing: scenes.Thing) -> scenes.Subject:
        """A subject that the object matches: its colour, its shape, or both."""
        kind = int(self.rng.choice(3, p=WORDS))
        return scenes.Subject(
            None if kind == 1 else thing.colour, None if kind == 0 else thing.shape
        )


def implies(a: scenes.Subject, b: scenes.Subject) -> bool:
    """Whether whatever matches a matches b."""
    return b.colour in (None, a.colour) and b.shape in (None, a.shape)


def all_texts(subjects: list[scenes.Subject]) -> list[str]:
    """Sentences that hold every word that occurs in training."""
    texts = [
        sentence(subject, form, negated, phrase)
        for subject in subjects
        for form, phrase in zip(FORMS * 3, TRAILING_PHRASES, strict=False)
        for negated in (False, True)
    ]
    return texts + [
        from_template(template, negator, kind, subjects[0], subjects[0])
        for template in (*templates.TEMPLATES, *templates.CLAUSES)
        for negator in template.negators
        for kind in templates.Fillers._fields
    ]


@dataclass(frozen=True)
class Truth:
    """Truth of pairs in the chosen scenes, and weights of the losses; all [scenes, pairs].

    Attributes:
        sign: 1 where the scene shows the pair's subject, else -1.
        weights: of the losses of both sentences, 0 where the context does not hold.
        d_weights: of the loss of d.
        broken: of the losses where the context does not hold, so that both sentences are false.
    """

    sign: Tensor
    weights: Tensor
    d_weights: Tensor
    broken: Tensor


def truth_of(world: World, chosen: Tensor, pairs: list[Pair]) -> Truth:
    """What the chosen scenes make of the pairs."""
    subject = torch.tensor([pair.subject for pair in pairs])
    present, partial, look_alike = world.shown(chosen, subject)
    context = torch.tensor([p.subject if p.context is None else p.context for p in pairs])
    affirmed = torch.tensor([p.affirmed for p in pairs])
    alone = torch.tensor([p.context is None for p in pairs])
    holds = (world.shown(chosen, context)[0] == affirmed) | alone
    return Truth(
        sign=torch.where(present, 1.0, -1.0),
        weights=balance(present & holds, partial & holds, look_alike & holds, 1.0) * holds,
        d_weights=balance(present, partial, look_alike, 1.0),
        broken=per_column((~holds).float()) / len(pairs),
    )
