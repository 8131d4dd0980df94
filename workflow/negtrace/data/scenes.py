"""The demo world: pictures of simple coloured shapes, sentences about them in VALSE's grammar.

A scene holds one to three shapes on a grey ground.  A sentence's subject is a shape ("stars"), a
colour and a shape ("red stars") or a colour alone ("red shapes"); it is present if at least one
object of the scene matches it, in the singular and in the plural alike.  Five of the 96
colour-shape combinations are *unseen*: the demo model's training has neither pictures of them nor
sentences about them.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw

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
UNNAMED = "unnamed"  # any colour, or shape, that no sentence has a word for
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
Relation = Literal["present", "absent", "partial", "look_alike"]
Form = Literal["singular", "plural", "plural_some"]
FORMS: tuple[Form, ...] = ("singular", "plural", "plural_some")

Colour = tuple[int, int, int]
Outline = tuple[tuple[float, float], ...]  # polygon within [-1, 1] x [-1, 1], y pointing down


@dataclass(frozen=True)
class Thing:
    """One object of a scene; centre and size in pixels, its exact shade as RGB.

    `outline` is that of an unnamed shape.
    """

    colour: str
    shape: str
    x: float = 0.0
    y: float = 0.0
    size: float = 0.0
    shade: Colour = (0, 0, 0)
    outline: Outline = ()


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
        return PLURALS[self.shape] if plural else self.shape

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
        shade = unnamed_shade(rng) if colour == UNNAMED else _shade(colour, rng)
        outline = unnamed_outline(rng) if shape == UNNAMED else ()
        things.append(
            Thing(colour, shape, round(x, 2), round(y, 2), round(size, 2), shade, outline)
        )
    return Scene(tuple(things), int(rng.integers(90, 150)))


def _shade(colour: str, rng: np.random.Generator) -> Colour:
    return tuple(np.clip(COLOURS[colour] + rng.integers(-12, 13, size=3), 0, 255).tolist())


def unnamed_shade(rng: np.random.Generator) -> Colour:
    """A colour well apart from every named one and from the greys of the ground."""
    named = np.array([*COLOURS.values(), *((grey,) * 3 for grey in range(90, 150, 10))])
    while True:
        shade = rng.integers(256, size=3)
        if np.linalg.norm(named - shade, axis=1).min() > 60:
            return tuple(shade.tolist())


def render(scene: Scene, size: int = IMAGE_SIZE) -> Image.Image:
    """The scene as an RGB picture of size x size pixels."""
    image = Image.new("RGB", (size, size), (scene.ground,) * 3)
    for thing in scene.things:
        image.paste(thing.shade, mask=_coverage(thing, size))
    return image


def subject_mask(scene: Scene, subject: Subject, size: int = IMAGE_SIZE) -> Image.Image:
    """Greyscale mask, 255 where an object matches the subject; all 0 where it is absent."""
    mask = Image.new("L", (size, size), 0)
    for thing in scene.things:
        if subject.matches(thing):
            mask.paste(255, mask=_coverage(thing, size))
    return mask.point(lambda value: 255 * (value > 127))


def _coverage(thing: Thing, size: int) -> Image.Image:
    """How much of each pixel an object covers (0..255), by 4-fold supersampling."""
    scale = 4 * size / IMAGE_SIZE
    canvas = Image.new("L", (4 * size, 4 * size), 0)
    draw = ImageDraw.Draw(canvas)
    radius = thing.size / 2 * scale
    outline = [
        (thing.x * scale + px * radius, thing.y * scale + py * radius)
        for px, py in thing.outline or _outline(thing.shape)
    ]
    draw.polygon(outline, fill=255)
    return canvas.resize((size, size), Image.Resampling.BOX)


@cache
def _outline(shape: str) -> Outline:
    """Polygon within [-1, 1] x [-1, 1], y pointing down."""
    if shape == "circle":
        return tuple((cos(t), sin(t)) for t in np.linspace(0, 2 * pi, 32, endpoint=False))
    if shape == "square":
        return ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85))
    if shape == "triangle":
        return ((0, -1), (1, 0.85), (-1, 0.85))
    if shape == "star":
        angles = [pi * k / 5 - pi / 2 for k in range(10)]
        return tuple(
            ((1.0, 0.4)[k % 2] * cos(t), (1.0, 0.4)[k % 2] * sin(t)) for k, t in enumerate(angles)
        )
    if shape == "cross":
        arm = 0.32
        return (
            *((-arm, -1), (arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm)),
            *((arm, 1), (-arm, 1), (-arm, arm), (-1, arm), (-1, -arm), (-arm, -arm)),
        )
    if shape == "diamond":
        return ((0, -1), (0.65, 0), (0, 1), (-0.65, 0))
    if shape == "moon":
        outer = [(0.2 - cos(t), sin(t)) for t in np.linspace(-pi / 2, pi / 2, 24)]
        inner = [(0.2 - 0.35 * cos(t), sin(t)) for t in np.linspace(pi / 2, -pi / 2, 24)]
        return (*outer, *inner[1:-1])
    if shape == "heart":
        curve = np.linspace(0, 2 * pi, 40, endpoint=False)
        return tuple(
            (
                16 * sin(t) ** 3 / 17,
                -(13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)) / 17,
            )
            for t in curve
        )
    raise ValueError(f"unknown shape {shape!r}")


def unnamed_outline(rng: np.random.Generator) -> Outline:
    """An irregular polygon of 5 to 12 corners around the middle, some of them deep inside."""
    corners = int(rng.integers(5, 13))
    angles = 2 * pi * (np.arange(corners) + rng.uniform(-0.35, 0.35, corners)) / corners
    radii = rng.uniform(0.3, 1.0, corners)
    turn = rng.uniform(0, 2 * pi)
    return tuple(
        (round(float(r * cos(t + turn)), 3), round(float(r * sin(t + turn)), 3))
        for r, t in zip(radii, angles, strict=True)
    )


@dataclass(frozen=True)
class Item:
    """One benchmark item: a scene, a subject, and the true and the false sentence."""

    item_id: str
    scene: Scene
    subject: Subject
    caption: str
    foil: str
    votes: int

    @property
    def image_file(self) -> str:
        return f"{self.item_id}.png"


def sample_items(
    count: int, seed: int, absent: Sequence[Relation] = ("absent", "partial")
) -> Iterator[Item]:
    """A balanced set of items: presence, unseen combinations, number, near misses.

    Half of the items have the negation in the caption; a third are about an unseen combination;
    where a two-word subject is absent, half of the scenes share its colour or its shape.
    Every 25th item has too few annotator votes for its caption.

    Args:
        absent: how the scenes of an absent two-word subject relate to it, in equal shares.
    """
    rng = np.random.default_rng(seed)
    one_word, unseen = subjects(()), [Subject(*combination) for combination in UNSEEN]
    seen = [Subject(*combination) for combination in SEEN]
    for number in range(count):
        present = bool(number % 2)
        kind = (unseen, seen, (seen, seen, one_word)[number // 6 % 3])[number // 2 % 3]
        subject = kind[int(rng.integers(len(kind)))]
        relation = "present" if present else absent[int(rng.integers(len(absent)))]
        form = FORMS[int(rng.choice(3, p=(0.3, 0.6, 0.1)))]
        phrase = TRAILING_PHRASES[int(rng.integers(len(TRAILING_PHRASES)))]
        affirmative, negated = (sentence(subject, form, no, phrase) for no in (False, True))
        yield Item(
            item_id=f"existence_shapes_{seed}_{number:05d}",
            scene=scene_about(subject, relation, rng),
            subject=subject,
            caption=affirmative if present else negated,
            foil=negated if present else affirmative,
            votes=1 if number % 25 == 24 else 2 + int(rng.integers(2)),
        )


def scene_about(
    subject: Subject,
    relation: Relation,
    rng: np.random.Generator,
    others: Sequence[tuple[str, str]] = SEEN,
) -> Scene:
    """A scene that stands in a given relation to a subject.

    Args:
        relation: `present`: an object matches the subject.  Otherwise none does; of a two-word
            subject, `absent` scenes have neither the colour nor the shape, `partial` ones exactly
            one of them, `look_alike` ones both, on different objects.  For a one-word subject
            the latter two mean `absent`.
        others: what the scene's other objects are drawn from, and where a one-word subject is
            present its own object too.
    """
    colour, shape = subject.colour, subject.shape
    same_colour = [c for c in others if c[0] == colour and c[1] != shape]
    same_shape = [c for c in others if c[1] == shape and c[0] != colour]
    apart = [c for c in others if c[0] != colour and c[1] != shape]
    named = [] if colour is None or shape is None else [(colour, shape)]
    shown: list[tuple[str, str]] = []
    if relation == "present":
        matching = [c for c in others if subject.matches(Thing(*c)) and UNNAMED not in c]
        shown = named or _draw(matching, 1, rng)
        apart = list(others)
    elif named and relation == "partial":
        shown = _draw((same_colour, same_shape)[int(rng.integers(2))], 1, rng)
    elif named and relation == "look_alike":
        shown = [*_draw(same_colour, 1, rng), *_draw(same_shape, 1, rng)]
    more = int(rng.integers(0 if shown else 1, MOST_THINGS - len(shown) + 1))
    return place([*shown, *_draw(apart, more, rng)], rng)


def _draw(
    combinations: Sequence[tuple[str, str]], count: int, rng: np.random.Generator
) -> list[tuple[str, str]]:
    return [combinations[i] for i in rng.integers(len(combinations), size=count)]


def valse_entry(item: Item) -> dict[str, Any]:
    """The item in VALSE's JSON format, with the demo world's own field `combination`."""
    present = item.scene.shows(item.subject)
    count = sum(item.subject.matches(thing) for thing in item.scene.things)
    return {
        "dataset": "shapes",
        "dataset_idx": item.item_id.rsplit("_", 1)[-1],
        "image_file": item.image_file,
        "linguistic_phenomena": "existence",
        "caption": item.caption,
        "answer": count,
        "classes": count,
        "split": "test",
        "original_split": "test",
        "classes_foil": [0] if present else [1],
        "declarative_statement": item.caption,
        "declarative_statement_foils": [item.foil],
        "provenance_of_foils": "something_to_zero" if present else "zero_to_something",
        "mturk": {"foil": 3 - item.votes, "caption": item.votes, "other": 0},
        "foil": item.foil,
        "subject": " ".join(filter(None, (item.subject.colour, item.subject.noun(False)))),
        "combination": "unseen" if item.subject.unseen else "seen",
    }


def write_dataset(folder: Path, count: int, seed: int) -> None:
    """Write ``existence.json``, ``images/*.png`` and ``masks/*.png``, the same bytes every time.

    The annotations are written last, so that a folder with them is complete.
    """
    entries = {}
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for item in sample_items(count, seed):
        _save_png(render(item.scene), folder / "images" / item.image_file)
        _save_png(subject_mask(item.scene, item.subject), folder / "masks" / item.image_file)
        entries[item.item_id] = valse_entry(item)
    _replace(folder / "existence.json", json.dumps(entries, indent=2).encode())


def _save_png(image: Image.Image, path: Path) -> None:
    from io import BytesIO

    buffer = BytesIO()
    image.save(buffer, format="PNG")
    _replace(path, buffer.getvalue())


def _replace(path: Path, data: bytes) -> None:
    """Write under a temporary name and rename."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.chmod(name, 0o644)
    os.replace(name, path)
