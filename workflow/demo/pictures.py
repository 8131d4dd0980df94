"""First stage: the image encoder, without a sentence.

Every step draws scenes and subjects and minimises a sigmoid loss over their truth matrix.  In the
place of a text encoder there is a table: a subject's embedding is the product of its colour's and
its shape's vectors, so that a colour and a shape are bound: on one object, not only in one picture.
"""

from __future__ import annotations

import time

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from world import COLOURS, SHAPES, World, balance, numbers

from negtrace.data.demo_world import scenes
from negtrace.data.demo_world.drawing import render

MEAN = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(3, 1, 1)
STD = torch.tensor(open_clip.OPENAI_DATASET_STD).view(3, 1, 1)
SCENES, SUBJECTS = 384, 240  # of a step
RATE, DECAY = 3e-3, 0.3
TABLE_RATE = 3e-2
RELATIONS: tuple[scenes.Relation, ...] = ("present", "absent", "partial", "look_alike")


class Table(nn.Module):
    """Unit-norm embeddings of subjects: the product of a colour's and a shape's vectors."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.colours = nn.Parameter(torch.randn(len(COLOURS) + 1, width))
        self.shapes = nn.Parameter(torch.randn(len(SHAPES) + 1, width))

    def forward(self, named: Tensor) -> Tensor:
        return F.normalize(self.colours[named[:, 0]] * self.shapes[named[:, 1]], dim=-1)


def pixels(images: list) -> Tensor:
    """uint8 tensor [n, 3, height, width] of PIL pictures."""
    return torch.from_numpy(np.stack([np.asarray(i) for i in images])).permute(0, 3, 1, 2)


def normalise(images: Tensor) -> Tensor:
    """What open_clip's own preprocessing makes of pictures that have the model's size."""
    return (images.float() / 255 - MEAN) / STD


def drop_neurons(tower: nn.Module, share: float) -> None:
    """Dropout on the MLPs of a tower while training: combinations must not be memorised."""
    for block in tower.transformer.resblocks:
        block.mlp.gelu.register_forward_hook(
            lambda _, __, output: F.dropout(output, share, training=tower.training)
        )


def optimiser_of(
    parameters: list[nn.Parameter], rate: float, decay: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW that decays matrices alone, one warm-up and a cosine down to 0."""
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, steps, pct_start=0.08, cycle_momentum=False
    )
    return optimiser, schedule


def smoothed(sign: Tensor, logit: Tensor, smoothing: float) -> Tensor:
    """Logistic loss of a logit whose sign should be `sign`, with label smoothing."""
    return F.softplus(-sign * logit) + smoothing * sign * logit


def learn_pictures(
    visual: nn.Module,
    world: World,
    images: Tensor,
    rng: np.random.Generator,
    steps: int,
    report: int,
) -> None:
    """Train the image encoder; prints held-out accuracy.

    Args:
        images: uint8 [scenes, 3, height, width] of the world's pool.
    """
    table = Table(visual.output_dim)
    scale = nn.Parameter(torch.tensor(float(np.log(10))))
    parameters = [*visual.parameters(), *table.parameters(), scale]
    optimiser, schedule = optimiser_of(parameters, RATE, DECAY, steps)
    held_out = held_out_questions(400)
    started = time.time()
    for step in range(1, steps + 1):
        chosen = torch.from_numpy(rng.integers(len(images), size=SCENES))
        about = rng.choice(len(world.subjects), size=SUBJECTS, replace=False, p=world.shares)
        about = torch.from_numpy(about)
        pictures = F.normalize(visual(normalise(images[chosen])), dim=-1)
        loss = table_loss(pictures, table, scale, world, chosen, about)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % report == 0 or step == steps:
            visual.eval()
            with torch.no_grad():
                logit = scale.exp() * (
                    F.normalize(visual(held_out[0]), dim=-1) * table(held_out[1])
                ).sum(-1)
            visual.train()
            right = ((logit > 0) == held_out[2]).view(2, len(RELATIONS), -1).float().mean(-1)
            print(
                f"pictures {step} {time.time() - started:.0f} s loss {loss.item():.3f} "
                f"seen {rounded(right[0])} unseen {rounded(right[1])}",
                flush=True,
            )


def fitted_table(pictures: Tensor, world: World, rng: np.random.Generator, steps: int) -> Tensor:
    """Embeddings that the world's subjects have for given pictures, unit norm [subjects, width].

    Args:
        pictures: unit-norm embeddings of the world's pool.
    """
    table = Table(pictures.shape[1])
    scale = nn.Parameter(torch.tensor(float(np.log(10))))
    parameters = [*table.parameters(), scale]
    optimiser, schedule = optimiser_of(parameters, TABLE_RATE, 0.0, steps)
    for _ in range(steps):
        chosen = torch.from_numpy(rng.integers(len(pictures), size=SCENES))
        about = rng.choice(len(world.subjects), size=SUBJECTS, replace=False, p=world.shares)
        loss = table_loss(pictures[chosen], table, scale, world, chosen, torch.from_numpy(about))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        return table(world.named)


def table_loss(
    pictures: Tensor, table: Table, scale: Tensor, world: World, chosen: Tensor, about: Tensor
) -> Tensor:
    """Sigmoid loss over the truth matrix of scenes and subjects, given by their numbers.

    Args:
        pictures: unit-norm embeddings of the chosen scenes.
    """
    present, partial, look_alike = world.shown(chosen, about)
    logits = scale.exp() * pictures @ table(world.named[about]).T
    weights = balance(present, partial, look_alike, 1.0)
    return (smoothed(torch.where(present, 1.0, -1.0), logits, 0.01) * weights).sum()


def held_out_questions(each: int) -> tuple[Tensor, Tensor, Tensor]:
    """New pictures, what is asked of each, and the answer, by kind of combination and relation."""
    rng = np.random.default_rng(7)
    drawn, named, present = [], [], []
    for combinations in (scenes.SEEN, scenes.UNSEEN):
        for relation in RELATIONS:
            for _ in range(each):
                subject = scenes.Subject(*combinations[int(rng.integers(len(combinations)))])
                drawn.append(render(scenes.scene_about(subject, relation, rng)))
                named.append(numbers(subject))
                present.append(relation == "present")
    return normalise(pixels(drawn)), torch.tensor(named), torch.tensor(present)


def rounded(shares: Tensor) -> list[float]:
    return [round(share, 3) for share in shares.tolist()]
