"""What a scene of the demo world is: coloured shapes on a grey ground, and what is true of it.

A scene holds one to three shapes.  A subject is a shape ("stars"), a colour and a shape ("red
stars") or a colour alone ("red shapes"); it is present if at least one object of the scene matches
it.  Five of the 96 colour-shape combinations are *unseen*: the demo model's training has neither
pictures of them nor sentences about them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

IMAGE_SIZE = 48
GRID = 2
MOST_THINGS = 3

COLOURS = {
    "red": (214, 30, 30),
    "green": (30, 150, 40),
    "blue": (30, 70, 215),
    "yellow": (245, 220, 30),
    "purple": (130, 40, 170),
    "pink": (255, 150, 205),
    "brown": (120, 70, 25),
    "white": (252, 252, 252),
    "black": (10, 10, 10),
    "cyan": (60, 220, 230),
    "orange": (250, 130, 10),
    "beige": (225, 200, 150),
}
# Colours and shapes of the training alone: of a world this small each combination can be learned by
# heart; of a larger one only what a colour and a shape are.
MORE_COLOURS = {
    "maroon": (128, 0, 50),
    "navy": (10, 10, 95),
    "olive": (120, 130, 10),
    "teal": (0, 125, 130),
    "magenta": (230, 20, 200),
    "lime": (160, 240, 40),
    "lavender": (190, 170, 255),
    "gold": (200, 165, 30),
    "salmon": (250, 125, 110),
    "jade": (0, 200, 140),
    "indigo": (75, 0, 130),
    "mint": (170, 255, 190),
}
PLURALS = {
    "circle": "circles",
    "square": "squares",
    "triangle": "triangles",
    "star": "stars",
    "heart": "hearts",
    "cross": "crosses",
    "diamond": "diamonds",
    "moon": "moons",
}
SHAPES = tuple(PLURALS)
MORE_PLURALS = {
    "arrow": "arrows",
    "house": "houses",
    "bolt": "bolts",
    "hourglass": "hourglasses",
    "boat": "boats",
    "boot": "boots",
    "hammer": "hammers",
    "crown": "crowns",
    "flag": "flags",
    "fish": "fish",
}
GENERIC = ("shape", "shapes")
COMBINATIONS = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
UNSEEN = (
    ("red", "star"),
    ("blue", "heart"),
    ("green", "square"),
    ("pink", "triangle"),
    ("orange", "cross"),
)
SEEN = tuple(combination for combination in COMBINATIONS if combination not in UNSEEN)

Relation = Literal["present", "absent", "partial", "look_alike"]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Thing:
    """One object of a scene; centre and size in pixels, its exact shade as RGB."""

    colour: str
    shape: str
    x: float = 0.0
    y: float = 0.0
    size: float = 0.0
    shade: Colour = (0, 0, 0)


@dataclass(frozen=True)
class Subject:
    """What a sentence is about; None stands for any colour, or any shape."""

    colour: str | None
    shape: str | None

    def matches(self, thing: Thing) -> bool:
        return self.shape in (None, thing.shape) and self.colour in (None, thing.colour)

    def noun(self, plural: bool) -> str:
        if self.shape is None:
            return GENERIC[plural]
        return (PLURALS | MORE_PLURALS)[self.shape] if plural else self.shape

    @property
    def unseen(self) -> bool:
        return (self.colour, self.shape) in UNSEEN


@dataclass(frozen=True)
class Scene:
    """A picture's content and its background grey level (0..255)."""

    things: tuple[Thing, ...]
    ground: int = 128

    def shows(self, subject: Subject) -> bool:
        """Whether at least one object matches."""
        return any(subject.matches(thing) for thing in self.things)


def subjects(combinations: Sequence[tuple[str, str]] = COMBINATIONS) -> list[Subject]:
    """Every shape and every colour alone, and every given combination."""
    alone = [Subject(None, shape) for shape in SHAPES]
    alone += [Subject(colour, None) for colour in COLOURS]
    return alone + [Subject(colour, shape) for colour, shape in combinations]


def sample_scene(
    rng: np.random.Generator, combinations: Sequence[tuple[str, str]] = COMBINATIONS
) -> Scene:
    """A random scene of one to three objects drawn from the given combinations."""
    count = int(rng.integers(1, MOST_THINGS + 1))
    return place([combinations[i] for i in rng.integers(len(combinations), size=count)], rng)


def place(combinations: Sequence[tuple[str, str]], rng: np.random.Generator) -> Scene:
    """A scene of exactly these objects, each in a cell of its own, with jittered place and size."""
    cell = IMAGE_SIZE / GRID
    things = []
    for (colour, shape), spot in zip(combinations, rng.permutation(GRID * GRID), strict=False):
        size = rng.uniform(0.85, 1.0) * cell
        slack = (cell - size) / 2
        column, row = spot % GRID, spot // GRID
        x = (column + 0.5) * cell + rng.uniform(-slack, slack)
        y = (row + 0.5) * cell + rng.uniform(-slack, slack)
        shade = _shade(colour, rng)
        things.append(Thing(colour, shape, round(x, 2), round(y, 2), round(size, 2), shade))
    return Scene(tuple(things), int(rng.integers(90, 150)))


def _shade(colour: str, rng: np.random.Generator) -> Colour:
    return tuple(
        np.clip((COLOURS | MORE_COLOURS)[colour] + rng.integers(-12, 13, size=3), 0, 255).tolist()
    )


def scene_about(
    subject: Subject,
    relation: Relation,
    rng: np.random.Generator,
    others: Sequence[tuple[str, str]] = SEEN,
    beside: Sequence[tuple[str, str]] = (),
) -> Scene:
    """A scene that stands in a given relation to a subject.

    Args:
        relation: `present`: an object matches the subject.  Otherwise none does; of a two-word
            subject, `absent` scenes have neither the colour nor the shape, `partial` ones exactly
            one of them, `look_alike` ones both, on different objects.  For a one-word subject
            the latter two mean `absent`.
        others: what the scene's other objects are drawn from, and where a one-word subject is
            present its own object too.
        beside: objects that the scene holds as well; at most one.
    """
    colour, shape = subject.colour, subject.shape
    same_colour = [c for c in others if c[0] == colour and c[1] != shape]
    same_shape = [c for c in others if c[1] == shape and c[0] != colour]
    apart = [c for c in others if c[0] != colour and c[1] != shape]
    named = [] if colour is None or shape is None else [(colour, shape)]
    shown: list[tuple[str, str]] = []
    if relation == "present":
        matching = [c for c in others if subject.matches(Thing(*c))]
        shown = named or _draw(matching, 1, rng)
        apart = list(others)
    elif named and relation == "partial":
        shown = _draw((same_colour, same_shape)[int(rng.integers(2))], 1, rng)
    elif named and relation == "look_alike":
        shown = [*_draw(same_colour, 1, rng), *_draw(same_shape, 1, rng)]
    shown = [*shown, *beside]
    more = int(rng.integers(0 if shown else 1, MOST_THINGS - len(shown) + 1))
    return place([*shown, *_draw(apart, more, rng)], rng)


def _draw(
    combinations: Sequence[tuple[str, str]], count: int, rng: np.random.Generator
) -> list[tuple[str, str]]:
    return [combinations[i] for i in rng.integers(len(combinations), size=count)]
