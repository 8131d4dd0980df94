"""Mending: does the model do better with the found heads scaled, or the negation direction added?

Both are edits of the weights (`weight_edits.py`), so they hold for caption and foil, and for every
other sentence, alike.  Heads are found, directions fitted and strengths chosen on one half of the
clusters; all that is reported is measured on the other:

- negation: accuracy and d of the items;
- the price: the same of affirmative items, an image's true affirmative sentence against the
  affirmative sentence of another item, and retrieval among the half's own images and captions.

Beside them stand random heads of the same blocks with the same factor, and random directions of the
same length at the same hidden state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from negtrace.analyses.fitted_directions import moments_by, read_role
from negtrace.analyses.head_sets import HeadSet, other_sets, rank_heads, split_items
from negtrace.analyses.mended_items import Half
from negtrace.models.tower import TextTower
from negtrace.models.weight_edits import Edit, edited, scaled
from negtrace.patching.sentences import SentencePair
from negtrace.progress import silent
from negtrace.statistics.directions import difference_of_means
from negtrace.statistics.effect_sizes import DEFAULTS, Options
from negtrace.statistics.mending import accuracy_and_d, means, mending_table

NONE, HEADS, DIRECTION = "none", "heads", "direction"


class Option(NamedTuple):
    """An edit that may be chosen."""

    kind: str
    what: str  # heads as block.head, or the hidden state
    strength: float  # factor of the heads; length of the vector over the difference of means
    edit: Edit


class Choice(NamedTuple):
    """The option that does best on the half for selection, with all that were tried there."""

    option: Option
    tried: pd.DataFrame


class Mended(NamedTuple):
    """What `mend` finds.

    Attributes:
        edits: the chosen one of each kind; without parts where none does better than no edit.
        items: the table ``mended``.
        tried: the table ``mending_grid``.
        table: the table ``mending``.
    """

    edits: dict[str, Option]
    items: pd.DataFrame
    tried: pd.DataFrame
    table: pd.DataFrame


def head_options(heads: Sequence[tuple[int, int]], strengths: Iterable[float]) -> list[Option]:
    """A set of heads scaled by each factor."""
    name = " ".join(f"{block}.{head}" for block, head in heads)
    return [Option(HEADS, name, float(s), scaled(heads, s)) for s in strengths if s != 1]


def direction_options(
    vectors: Mapping[int, torch.Tensor], amounts: Iterable[float]
) -> list[Option]:
    """The vector of each hidden state, in each amount."""
    return [
        Option(DIRECTION, str(state), float(amount), Edit(added={state: amount * vector}))
        for state, vector in vectors.items()
        for amount in amounts
        if amount != 0
    ]


def mean_differences(
    tower: TextTower, pairs: Sequence[SentencePair], memory_gb: float
) -> dict[int, torch.Tensor]:
    """Mean over pairs of the negated minus the affirmative state, where sentences are read out.

    Returns:
        a vector [width] by hidden state; states where the two do not differ are left out.
    """
    at = read_role(tower, pairs, "negate")
    half = {pair.pair_id: "" for pair in pairs}
    of = moments_by(tower, pairs, at, "negate", half, products=False, memory_gb=memory_gb)[""]
    found = torch.as_tensor(difference_of_means(of)).to(tower.weights["ln_final.bias"])
    return {state: v for state, v in enumerate(found) if state and float(v.norm()) > 0}


def choose(
    tower: TextTower,
    half: Half,
    kind: str,
    options: Sequence[Option],
    before: tuple[float, float],
    step: Any,
) -> Choice:
    """The option with the highest accuracy, of equals the one with the highest mean d.

    Args:
        before: accuracy and mean d without an edit, which is chosen if nothing is better.
        step: called after each option.
    """
    rows = []
    for option in options:
        rows.append(accuracy_and_d(half.scores(edited(tower, option.edit))["d"]))
        step()
    unedited = Option(kind, "", float(kind == HEADS), Edit())
    every = [unedited, *options]
    tried = pd.DataFrame([before, *rows], columns=["accuracy", "mean_d"])
    best = max(range(len(every)), key=[before, *rows].__getitem__)
    described = pd.DataFrame(
        {
            "edit": kind,
            "what": [one.what for one in every],
            "strength": [one.strength for one in every],
            **tried,
            "chosen": np.arange(len(every)) == best,
        }
    )
    return Choice(every[best], described)


def mend(
    tower: TextTower,
    tables: Mapping[str, pd.DataFrame],
    heads: int,
    strengths: Sequence[float],
    amounts: Sequence[float],
    draws: int,
    options: Options = DEFAULTS,
    memory_gb: float = 2.0,
    progress: Callable[..., Any] = silent,
) -> Mended:
    """Choose edits on one half of the clusters and measure them on the other.

    Args:
        tower: text tower, on the device and in the precision of the computation.
        tables: alignment, candidates, images, scores, segments, and the sweep of the heads.
        heads: how many of the heads that restore most are scaled together.
        strengths: factors of the heads' outputs.
        amounts: lengths of the vector, in differences of means.
        draws: random sets of heads, and random directions, at most.
    """
    chosen, tested = split_items(tables["segments"], options.seed)
    first, second = (
        Half(tower, tables, items, options.seed, memory_gb) for items in (chosen, tested)
    )
    rng = np.random.default_rng(options.seed)
    found = tuple(sorted(rank_heads(tables["sweep"], tables["scores"], chosen)[:heads]))
    others = other_sets(found, tower.shape, draws, rng, matched=True)
    vectors = mean_differences(tower, first.pairs, memory_gb)
    total = len(strengths) + len(amounts) * len(vectors) + len(others) + draws
    bar = progress(total=total, desc="mending", unit="edit")
    before = accuracy_and_d(first.scores(tower)["d"])

    tried = {
        HEADS: head_options(found, strengths),
        DIRECTION: direction_options(vectors, amounts),
    }
    choices = {k: choose(tower, first, k, tried[k], before, bar.update) for k in tried}
    drawn: dict[str, list[pd.Series]] = {HEADS: [], DIRECTION: []}
    for kind, choice in choices.items():
        for edit in random_edits(choice.option, others, draws, rng):
            drawn[kind].append(means(second.measured(edited(tower, edit))))
            bar.update()
    bar.close()
    unedited = second.measured(tower)
    after = {k: second.measured(edited(tower, c.option.edit)) for k, c in choices.items()}
    table = pd.concat(
        [
            mending_table(
                unedited, after[kind], drawn[kind], options, is_edit=choice.option.what != ""
            ).assign(edit=kind, what=choice.option.what, strength=choice.option.strength)
            for kind, choice in choices.items()
        ],
        ignore_index=True,
    )
    items = [frame.assign(edit=kind) for kind, frame in {NONE: unedited, **after}.items()]
    return Mended(
        {kind: choice.option for kind, choice in choices.items()},
        pd.concat(items, ignore_index=True),
        pd.concat([choice.tried for choice in choices.values()], ignore_index=True),
        table,
    )


def random_edits(
    option: Option, others: Sequence[HeadSet], draws: int, rng: np.random.Generator
) -> Iterator[Edit]:
    """Other heads with an option's factor, and random directions of its vector's length."""
    if option.edit.scales:
        yield from (scaled(heads, option.strength) for heads in others)
    for state, vector in option.edit.added.items():
        for _ in range(draws):
            drawn = torch.as_tensor(rng.normal(size=len(vector))).to(vector)
            yield Edit(added={state: drawn * (vector.norm() / drawn.norm())})
