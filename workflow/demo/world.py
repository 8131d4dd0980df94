"""The training world: scenes, what sentences can be about, and which scene shows what."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negtrace.data.demo_world import scenes

COLOURS = (*scenes.COLOURS, *scenes.MORE_COLOURS)
SHAPES = (*scenes.SHAPES, *scenes.MORE_PLURALS)
SHOWN = tuple((c, s) for c in COLOURS for s in SHAPES if (c, s) not in scenes.UNSEEN)
WORDS = (0.15, 0.35, 0.5)  # subjects: a colour alone, a shape alone (harder to see), both
BENCHMARK = 0.5  # share of objects, and of subjects, that the benchmark could have


class World:
    """Scenes and subjects as numbers.

    Attributes:
        things: colour and shape of each object, int [scenes, MOST_THINGS, 2]; -1 where none is.
        subjects: each shape and colour alone, and each combination that is shown.
        named: their colour and shape, int [subjects, 2]; one more than there are means any.
        shares: how often each is asked about.
    """

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self.pool = training_scenes(count, rng)
        self.things = torch.full((count, scenes.MOST_THINGS, 2), -1)
        for number, scene in enumerate(self.pool):
            for place, thing in enumerate(scene.things):
                pair = COLOURS.index(thing.colour), SHAPES.index(thing.shape)
                self.things[number, place] = torch.tensor(pair)
        alone = [scenes.Subject(None, shape) for shape in SHAPES]
        alone += [scenes.Subject(colour, None) for colour in COLOURS]
        self.subjects = alone + [scenes.Subject(*combination) for combination in SHOWN]
        self.number = {subject: n for n, subject in enumerate(self.subjects)}
        self.named = torch.tensor([numbers(subject) for subject in self.subjects])
        kinds = [(s.colour is not None) + 2 * (s.shape is not None) - 1 for s in self.subjects]
        share = np.array(WORDS)[kinds] / np.bincount(kinds)[kinds]
        ours = np.array([of_benchmark(s.colour, s.shape) for s in self.subjects])
        share = share * np.where(ours, BENCHMARK / share[ours].sum(), 1)
        share = share * np.where(ours, 1, (1 - BENCHMARK) / share[~ours].sum())
        self.shares = share / share.sum()

    def shown(self, chosen: Tensor, subjects: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which scenes show which subjects; which have a part of it; which look alike.

        A scene without a two-word subject has a *part* of it if it has its colour or its shape;
        it *looks alike* if it has both, on different objects.

        Args:
            chosen: numbers of scenes.
            subjects: numbers of subjects.

        Returns:
            three bool [scenes, subjects].
        """
        colour, shape = self.named[subjects].T
        things = self.things[chosen][:, :, None]
        there = things[..., 0] >= 0
        has_colour = there & ((things[..., 0] == colour) | (colour == len(COLOURS)))
        has_shape = there & ((things[..., 1] == shape) | (shape == len(SHAPES)))
        present = (has_colour & has_shape).any(1)
        two_words = (colour < len(COLOURS)) & (shape < len(SHAPES))
        colours, shapes = has_colour.any(1), has_shape.any(1)
        absent = ~present & two_words
        return present, absent & (colours ^ shapes), absent & colours & shapes


def numbers(subject: scenes.Subject) -> tuple[int, int]:
    """Colour and shape of a subject as numbers; one more than there are means any."""
    return (
        len(COLOURS) if subject.colour is None else COLOURS.index(subject.colour),
        len(SHAPES) if subject.shape is None else SHAPES.index(subject.shape),
    )


def of_benchmark(colour: str | None, shape: str | None) -> bool:
    return colour not in scenes.MORE_COLOURS and shape not in scenes.MORE_PLURALS


def training_scenes(count: int, rng: np.random.Generator) -> list[scenes.Scene]:
    """Half of the scenes random, half built around a subject, a third of these with look-alikes."""
    ours = [c for c in SHOWN if of_benchmark(*c)]
    others = [c for c in SHOWN if not of_benchmark(*c)]
    others = [*others, *ours * round(len(others) / len(ours) * BENCHMARK / (1 - BENCHMARK))]
    pool = []
    for number in range(count):
        if number % 2:
            pool.append(scenes.sample_scene(rng, others))
        else:
            subject = scenes.Subject(*others[int(rng.integers(len(others)))])
            relation = ("present", "partial", "look_alike")[int(rng.integers(3))]
            pool.append(scenes.scene_about(subject, relation, rng, others))
    return pool


def balance(true: Tensor, partial: Tensor, look_alike: Tensor, share: float) -> Tensor:
    """Weights [scenes, subjects] that sum to 1; scenes with and without a subject weigh the same.

    Of those without, the ones with a part of it count three times as much as the rest; look-alikes
    have the given share of their weight.
    """
    false = ~(true | partial | look_alike)
    unlike = per_column(3 * per_column(partial + share * look_alike) + per_column(false.float()))
    return (per_column(true.float()) + unlike) / 2 / true.shape[1]


def per_column(cells: Tensor) -> Tensor:
    """Weights of scenes that sum to 1 in every column."""
    return cells / cells.sum(0).clamp(min=1e-6)
