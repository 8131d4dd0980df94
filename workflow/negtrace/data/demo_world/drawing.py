"""Pictures of scenes, and masks of what a sentence is about."""

from __future__ import annotations

from functools import cache
from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageDraw

from negtrace.data.demo_world.scenes import IMAGE_SIZE, Scene, Subject, Thing

Outline = tuple[tuple[float, float], ...]  # polygon within [-1, 1] x [-1, 1], y pointing down

POLYGONS: dict[str, Outline] = {
    "square": ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),
    "triangle": ((0, -1), (1, 0.85), (-1, 0.85)),
    "diamond": ((0, -1), (0.65, 0), (0, 1), (-0.65, 0)),
    "arrow": ((-1, -0.3), (0.1, -0.3), (0.1, -0.9), (1, 0), (0.1, 0.9), (0.1, 0.3), (-1, 0.3)),
    "house": ((0, -1), (0.9, -0.2), (0.6, -0.2), (0.6, 1), (-0.6, 1), (-0.6, -0.2), (-0.9, -0.2)),
    "bolt": ((0.2, -1), (-0.6, 0.1), (-0.1, 0.1), (-0.3, 1), (0.6, -0.2), (0.1, -0.2), (0.7, -1)),
    "hourglass": ((-0.8, -1), (0.8, -1), (0.15, 0), (0.8, 1), (-0.8, 1), (-0.15, 0)),
    "boat": ((-1, 0.1), (-0.1, 0.1), (-0.1, -1), (0.7, 0.1), (1, 0.1), (0.6, 0.8), (-0.6, 0.8)),
    "boot": ((-0.8, -1), (-0.1, -1), (-0.1, 0.3), (0.9, 0.3), (0.9, 1), (-0.8, 1)),
    "hammer": (
        (-1, -0.9),
        (1, -0.9),
        (1, -0.3),
        (0.2, -0.3),
        (0.2, 1),
        (-0.2, 1),
        (-0.2, -0.3),
        (-1, -0.3),
    ),
    "crown": ((-1, -0.8), (-0.5, 0), (0, -0.8), (0.5, 0), (1, -0.8), (1, 0.7), (-1, 0.7)),
    "flag": ((-0.8, -1), (0.9, -0.6), (-0.4, 0), (-0.4, 1), (-0.8, 1)),
    "fish": ((-1, -0.6), (-0.4, -0.1), (0.3, -0.6), (1, 0), (0.3, 0.6), (-0.4, 0.1), (-1, 0.6)),
}


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
        for px, py in _outline(thing.shape)
    ]
    draw.polygon(outline, fill=255)
    return canvas.resize((size, size), Image.Resampling.BOX)


@cache
def _outline(shape: str) -> Outline:
    """Polygon within [-1, 1] x [-1, 1], y pointing down."""
    if shape in POLYGONS:
        return POLYGONS[shape]
    if shape == "circle":
        return tuple((cos(t), sin(t)) for t in np.linspace(0, 2 * pi, 32, endpoint=False))
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
