"""Held-out accuracy: new pictures, by template, negator, kind of combination and relation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from negtrace.data import templates
from negtrace.data.demo_world import scenes
from negtrace.data.demo_world.items import sample_items
from negtrace.data.demo_world.sentences import from_template


class Question(NamedTuple):
    """A picture, its true and its false sentence, and what is asked."""

    scene: scenes.Scene
    true: str
    false: str
    template: str
    negator: str
    combination: str
    relation: str


def valse_questions(count: int, seed: int) -> Iterator[Question]:
    """The items of the demo world's benchmark."""
    for item in sample_items(count, seed):
        present = item.scene.shows(item.subject)
        combination = "unseen" if item.subject.unseen else "seen"
        relation = "present" if present else "absent"
        yield Question(item.scene, item.caption, item.foil, "valse", "no", combination, relation)


def template_questions(each: int, seed: int) -> Iterator[Question]:
    """Questions of every template and negator.

    Of a cell's questions half show the subject, a sixth each is far from it, shares its colour or
    its shape, and holds look-alikes; of every 24 six are about an unseen combination.
    """
    rng = np.random.default_rng(seed)
    unseen = [scenes.Subject(*combination) for combination in scenes.UNSEEN]
    seen = scenes.subjects(scenes.SEEN)
    for template in (*templates.TEMPLATES, *templates.CLAUSES):
        for negator in template.negators:
            for number in range(each):
                kind = unseen if number // 6 % 4 == 3 else seen
                subject = kind[int(rng.integers(len(kind)))]
                relation = ("absent", "partial", "look_alike")[number // 2 % 3]
                relation = "present" if number % 2 else relation
                yield question(template, negator, subject, relation, rng)


def question(
    template: templates.Template,
    negator: str,
    subject: scenes.Subject,
    relation: scenes.Relation,
    rng: np.random.Generator,
) -> Question:
    """A question about a new scene in which the template's context holds."""
    apart = [c for c in scenes.SEEN if c[0] != subject.colour and c[1] != subject.shape]
    beside, others, pool = [], None, scenes.SEEN
    if template.context != "none":
        colour, shape = apart[int(rng.integers(len(apart)))]
        keep = int(rng.integers(3))
        others = scenes.Subject(colour if keep else None, shape if keep != 1 else None)
        if subject.colour is None or subject.shape is None:
            others = scenes.Subject(colour, shape)
        if template.context == "affirmed":
            beside = [(colour, shape)]
        else:
            pool = [c for c in scenes.SEEN if not others.matches(scenes.Thing(*c))]
    scene = scenes.scene_about(subject, relation, rng, pool, beside)
    affirmative, negated = (
        from_template(template, negator, kind, subject, others)
        for kind in ("affirmative", "negated")
    )
    true, false = (affirmative, negated) if relation == "present" else (negated, affirmative)
    if subject.unseen:
        combination = "unseen"
    else:
        combination = "word" if None in (subject.colour, subject.shape) else "seen"
    return Question(scene, true, false, template.name, negator, combination, relation)


def answers(questions: list[Question], d: np.ndarray) -> pd.DataFrame:
    """One row per question, with d = S(true) - S(false)."""
    columns = [field for field in Question._fields if field != "scene"]
    frame = pd.DataFrame([[getattr(q, c) for c in columns] for q in questions], columns=columns)
    return frame.assign(d=d)


def accuracy(answered: pd.DataFrame, *by: str) -> pd.Series:
    """Share of questions with d > 0."""
    return (answered["d"] > 0).groupby([answered[column] for column in by]).mean()


def family(template: str) -> str:
    """What a template belongs to: valse, templates (of one clause) or clauses."""
    if template == "valse":
        return template
    return "clauses" if template in {t.name for t in templates.CLAUSES} else "templates"
