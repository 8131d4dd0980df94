"""Score grid: patched scores of every item, cell and position, and the table made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64

from negtrace.models.roles import PADDING
from negtrace.patching.interventions import Intervention
from negtrace.patching.known_cells import Known
from negtrace.patching.scores import item_vectors
from negtrace.patching.sentences import SentencePair, sentence_pairs
from negtrace.patching.sites import Cell
from negtrace.vocabulary import ALL, BASE_OF, SOURCE_OF


@dataclass(frozen=True)
class Study:
    """What a sweep needs besides the tower: pairs, their items, and the unpatched scores.

    Attributes:
        pairs: distinct pairs.
        items: for each pair, the rows of its items.
        images: unit-norm image embedding of every item.
        s_base: score of the base sentence.
        s_source: score of the source sentence.
        logit_scale: factor between a cosine and a score.
    """

    pairs: list[SentencePair]
    items: list[np.ndarray]
    images: Float64[np.ndarray, "items embed_dim"]
    s_base: Float64[np.ndarray, " items"]
    s_source: Float64[np.ndarray, " items"]
    logit_scale: float

    def item_rows(self, pairs: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """For every item of the given pairs: which entry of `pairs` it is of, and its row."""
        items = [self.items[pair] for pair in pairs]
        return np.repeat(np.arange(len(pairs)), [len(i) for i in items]), np.concatenate(items)


def make_study(
    alignment: pd.DataFrame,
    candidates: pd.DataFrame,
    images: pd.DataFrame,
    scores: pd.DataFrame,
    direction: str,
    logit_scale: float,
) -> Study:
    """Collect what a sweep needs; pairs ordered by length so that batches are even."""
    pairs = sorted(sentence_pairs(alignment), key=lambda p: len(p.affirmative.tokens))
    of_pair = candidates.reset_index(drop=True).groupby("pair_id", observed=True).indices
    rows = {str(pair): np.asarray(at) for pair, at in of_pair.items()}
    pairs = [pair for pair in pairs if pair.pair_id in rows]
    ordered = scores.set_index("item_id").loc[candidates["item_id"]]
    return Study(
        pairs=pairs,
        items=[rows[pair.pair_id] for pair in pairs],
        images=item_vectors(candidates, images),
        s_base=ordered[f"s_{BASE_OF[direction]}"].to_numpy(),
        s_source=ordered[f"s_{SOURCE_OF[direction]}"].to_numpy(),
        logit_scale=logit_scale,
    )


C = TypeVar("C")  # what is patched: a cell, an edge


class ScoreGrid(Generic[C]):
    """Scores of patched sentences: one value per item, cell and position.

    Attributes:
        cells: the patched cells.
        s_patched: float64 [items, cells, positions or 1]; NaN where nothing is filled.
        known: same shape, whether the value is one by definition.
        eligible: whether there was something to patch [items, positions or 1].
    """

    def __init__(self, study: Study, cells: Sequence[C], positions: int) -> None:
        self.study = study
        self.cells = list(cells)
        size = (len(study.s_base), len(cells), positions)
        self.s_patched = np.full(size, np.nan)
        self.known = np.zeros(size, dtype=bool)
        self.eligible = np.zeros((size[0], positions), dtype=bool)

    def allow(self, pair: int, position: int) -> None:
        """Mark a position set of a pair as eligible."""
        self.eligible[self.study.items[pair], max(position, 0)] = True

    def fill_computed(
        self,
        pairs: Sequence[int],
        positions: Sequence[int],
        cells: Sequence[int],
        embeddings: Float[np.ndarray, "cells pairs embed_dim"],
    ) -> None:
        """Multiply patched embeddings with the images of each pair's items."""
        entry, item = self.study.item_rows(pairs)
        images = self.study.images[item]
        at = np.maximum(positions, 0)[entry]
        for cell, embedding in zip(cells, embeddings, strict=True):
            cosine = np.einsum("re,re->r", embedding[entry].astype(np.float64), images)
            self.s_patched[item, cell, at] = self.study.logit_scale * cosine

    def fill_known(self, pair: int, position: int, cell: int, value: Known) -> None:
        """Set a pair's cell to the score of one of its runs."""
        item = self.study.items[pair]
        scores = self.study.s_base if value == "base" else self.study.s_source
        self.s_patched[item, cell, max(position, 0)] = scores[item]
        self.known[item, cell, max(position, 0)] = True


def tidy(
    grid: ScoreGrid[Cell], candidates: pd.DataFrame, intervention: Intervention, direction: str
) -> pd.DataFrame:
    """The grid as the table ``sweep``: one row per item and cell of the item's base sentence.

    Sets of heads are numbered from 1 in a column ``head_set`` of their own.
    """
    study = grid.study
    each = intervention.at == "each"
    role = np.full(grid.eligible.shape, role_label(intervention), dtype=object)
    exists = np.ones(grid.eligible.shape, dtype=bool)
    for pair, items in zip(study.pairs, study.items, strict=True):
        base = pair.sentence(BASE_OF[direction])
        if each:
            exists[items, len(base.tokens) :] = False
            padding = np.flatnonzero([name == PADDING for name in base.roles])
            exists[np.ix_(items, padding[1:])] = False  # patched with the first, as one
            role[items, : len(base.tokens)] = base.roles
    wanted = np.broadcast_to(exists[:, None, :], grid.s_patched.shape)
    item, cell, position = np.nonzero(wanted)
    s_patched = grid.s_patched[wanted]
    eligible = grid.eligible[item, position]
    span = study.s_source - study.s_base
    with np.errstate(divide="ignore", invalid="ignore"):
        restoration = (s_patched - study.s_base[item]) / span[item]
    restoration[~np.isfinite(restoration)] = np.nan
    heads = pd.array([c.head for c in grid.cells], dtype="Int16")
    sets = {"head_set": cell.astype(np.int16) + 1} if intervention.head_sets else {}
    layers = np.array([c.layer for c in grid.cells], dtype=np.int16)
    every = len(item)
    reason = np.where(eligible, np.array(None), intervention.reason)
    return pd.DataFrame(
        {
            "item_id": candidates["item_id"].to_numpy()[item],
            "pair_id": candidates["pair_id"].to_numpy()[item],
            "site": pd.Categorical.from_codes(np.zeros(every, int), pd.Index([intervention.site])),
            "direction": pd.Categorical.from_codes(np.zeros(every, int), pd.Index([direction])),
            "layer": layers[cell],
            "head": heads[cell],
            **sets,
            "position": pd.array(position if each else [pd.NA] * every, dtype="Int16"),
            "role": role[item, position],
            "eligible": eligible,
            "reason": pd.Series(reason, dtype="string"),
            "known": grid.known[wanted],
            "s_patched": s_patched,
            "restoration": restoration,
        }
    )


def under_name(frame: pd.DataFrame, name: str, intervention: Intervention) -> pd.DataFrame:
    """A table of cells as a study keeps it: under the intervention's name, as if it were a site.

    Sets of heads stand where the role does, as in ``1.2+2.1`` or ``1.2+2.1 at determiner``.
    """
    if frame.empty:
        return frame
    frame = frame.assign(site=pd.Categorical([name] * len(frame)))
    if intervention.head_sets is None:
        return frame
    sets = ["+".join(f"{block}.{head}" for block, head in one) for one in intervention.head_sets]
    roles = frame["role"].astype(str)
    of_set = pd.Series(sets, dtype=object).to_numpy()[frame["head_set"].to_numpy() - 1]
    labels = of_set if (roles == ALL).all() else of_set + " at " + roles.to_numpy(object)
    return frame.assign(role=labels).drop(columns="head_set")


def role_label(intervention: Intervention) -> str:
    """What the table's column `role` says where several positions are patched at once."""
    return "all" if isinstance(intervention.at, str) else "+".join(intervention.at)
