"""Replications of the published figures, simulated from the authors' own score of every item.

A right replication has the authors' weights and items, and reads pictures by another decoder or
resampler: d of every item moves by normal noise, the same in both wordings, and d of all items of
a negation by a common amount.  How much was measured (image_noise.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import open_clip
import pandas as pd
from authors import CONFIG, FEATURES_WORDING, Run, read_authors
from tqdm import tqdm

from negtrace.analyses.features import FEATURES, WITHOUT_NO_PEOPLE
from negtrace.data.noun_phrases import subject_phrase
from negtrace.replication.publication import Block, read_published
from negtrace.replication.published import PAPER, TOLERANCES
from negtrace.vocabulary import ALL

# The others follow from the sentences alone.
SIMULATED_TABLES = (
    "accuracy",
    "restoration_map",
    "selectivity_correlation",
    "feature_correlations",
    "accuracy_above_area",
)
LOW, HIGH = CONFIG["segments"]["incorrect_below"], CONFIG["segments"]["correct_from"]
SEGMENTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "incorrect": lambda d: d < LOW,
    "ambiguous": lambda d: (d >= LOW) & (d < HIGH),
    "correct": lambda d: d >= HIGH,
}
# Of the table ``accuracy``.
COLUMNS: dict[str, Callable[[np.ndarray], Any]] = {
    "accuracy": lambda d: (d > 0).mean(),
    "mean_d": lambda d: d.mean(),
    "n_incorrect": lambda d: SEGMENTS["incorrect"](d).sum(),
    "n_ambiguous": lambda d: SEGMENTS["ambiguous"](d).sum(),
    "n_correct": lambda d: SEGMENTS["correct"](d).sum(),
}
AREAS = ("subject_area", "subject_area_above")
TEXT_TOKENS = 7  # of a sentence whose role subject_rest has none


@dataclass(frozen=True)
class World:
    """What a replication does otherwise than the authors.

    Attributes:
        noise: standard deviation of the noise of d, logits.
        common: what all items of a negation have in common of it, as a share of `noise`.
        patched: noise of a patched sentence's score that d does not share, as a share of `noise`.
        areas: standard deviation of the logarithm of a subject's area.
        phrases: share of items whose subject is another phrase, with another item's area.
        scale: factor of d.
        shift: of d where the negation is in the caption, logits.
    """

    name: str
    noise: float
    common: float = 0.0
    patched: float = 0.5
    areas: float = 0.1
    phrases: float = 0.05
    scale: float = 1.0
    shift: float = 0.0


class Items(NamedTuple):
    """What a replication measures of the items of one wording; arrays [items]."""

    d: np.ndarray
    negation: np.ndarray
    features: Mapping[str, np.ndarray]  # null where unknown; none in another wording
    no_people: np.ndarray | None = None

    def of(self, cell: Mapping[str, Any]) -> np.ndarray:
        """Which items a cell of a published figure is about."""
        kept = np.full(len(self.d), True)
        if cell["negation"] != ALL:
            kept &= self.negation == cell["negation"]
        if cell.get("subset") == WITHOUT_NO_PEOPLE:
            kept &= ~self.no_people
        return kept


@dataclass(frozen=True)
class Subject:
    """What is simulated: the authors' items, and the figures that were published of them."""

    blocks: Sequence[Block]
    items: Mapping[str, Items]  # by wording
    item_ids: Mapping[str, pd.Series]
    named: np.ndarray  # rephrased items whose subject our rule finds a size for
    subject_rest: np.ndarray  # of rephrased items: tokens of that role

    @property
    def sd_d(self) -> float:
        return float(self.items[FEATURES_WORDING].d.std(ddof=1))


def subject(scores: Path, annotations: Path) -> Subject:
    runs = read_authors(scores, annotations)
    pairs = runs[FEATURES_WORDING].pairs
    named = [subject_phrase(sentence) is not None for sentence in pairs["affirmative"]]
    tokens = open_clip.tokenize(pairs["affirmative"].tolist()).argmax(dim=1).numpy() + 1
    published = read_published(PAPER, TOLERANCES)
    return Subject(
        [block for block in published.blocks if block.table in SIMULATED_TABLES],
        {wording: items_of(run) for wording, run in runs.items()},
        {wording: run.pairs["item_id"] for wording, run in runs.items()},
        named & (pairs["negation"] == "foil").to_numpy(),
        np.maximum(tokens - TEXT_TOKENS, 0),
    )


def items_of(run: Run) -> Items:
    d, negation = run.scores["d"].to_numpy(), run.scores["negation"].to_numpy(str)
    if run.features is None:
        return Items(d, negation, {})
    values = {name: run.features[name].to_numpy(float) for name in FEATURES}
    return Items(d, negation, values, run.features["no_people"].to_numpy(bool))


def replication(world: World, of: Subject, rng: np.random.Generator) -> dict[str, Items]:
    """The items of every wording, as one replication sees them."""
    every = pd.Index(pd.concat(of.item_ids.values()).unique())
    noise = world.noise * rng.normal(size=len(every))
    common = dict(zip(("caption", "foil"), rng.choice([-1, 1], 2), strict=True))
    found = {}
    for wording, items in of.items.items():
        own = noise[every.get_indexer(of.item_ids[wording])]
        own += world.common * world.noise * np.array([common[n] for n in items.negation])
        shift = world.shift * (items.negation == "caption")
        features = {**items.features, **(_areas(items, of.named, world, rng))}
        found[wording] = items._replace(d=world.scale * items.d + shift + own, features=features)
    return found


def _areas(
    items: Items, named: np.ndarray, world: World, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Sizes as another segmentation gives them, of the items that `subject_phrase` has one for."""
    if not items.features:
        return {}
    areas = np.stack([items.features[name] for name in AREAS], axis=1)
    unknown = np.isnan(areas[:, 0])
    theirs = areas[~unknown]
    others = (rng.random(len(areas)) < world.phrases) | unknown
    areas[others] = theirs[rng.integers(len(theirs), size=others.sum())]
    areas *= np.exp(world.areas * rng.normal(size=(len(areas), 1)))
    areas = np.where(named[:, None], np.minimum(areas, 1), np.nan)
    return dict(zip(AREAS, areas.T, strict=True))


def value(block: Block, cell: Mapping[str, Any], items: Items) -> float:
    """One number of a figure that follows from d and features, as the pipeline's tables give it."""
    kept = items.of(cell)
    d = items.d[kept]
    if block.table == "accuracy":
        return float(COLUMNS[block.column](d))
    if block.table == "feature_correlations":
        x = items.features[cell["feature"]][kept]
        return float(np.corrcoef(x[~np.isnan(x)], d[~np.isnan(x)])[0, 1])
    large = items.features["subject_area"][kept] >= cell["threshold"]
    return float((d[large] > 0).mean())


def restoration(
    block: Block, of: Subject, d: np.ndarray, world: World, rng: np.random.Generator
) -> np.ndarray:
    """A map whose items have the widest spread that shares between 0 and 1 with its means can have.

    The authors' items have exactly the published mean.
    """
    authors = of.items[FEATURES_WORDING]
    mine = authors.of(block.where)
    means, d = block.values.ravel(), d[mine]
    bounded = np.clip(means, 0, 1)
    spread = np.sqrt(bounded * (1 - bounded))
    role = np.array([cell["role"] for cell, _ in block.cells()])
    tokens = np.where(role == "subject_rest", of.subject_rest[mine, None], 1)  # [items, cells]

    def mean(values: np.ndarray, d: np.ndarray) -> np.ndarray:
        weights = tokens * SEGMENTS[block.where["segment"]](d)[:, None]
        return (values * weights).sum(axis=0) / weights.sum(axis=0)

    restored = means + spread * rng.normal(size=(len(d), len(means)))
    restored += means - mean(restored, authors.d[mine])
    extra = world.noise * world.patched * rng.normal(size=restored.shape) / d[:, None]
    return mean(restored + np.where(spread > 0, extra, 0), d)


def head_correlations(
    block: Block, of: Subject, d: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Of noisy d with selectivities whose correlation with the authors' d is the published one."""
    authors = of.items[FEATURES_WORDING]
    mine = authors.of(block.where)
    r = block.values.ravel()
    standard = _standardised(authors.d[mine, None])
    other = rng.normal(size=(mine.sum(), len(r)))
    other = _standardised(other - standard * (standard * other).mean(axis=0))
    selectivity = r * standard + np.sqrt(1 - r**2) * other
    return (_standardised(selectivity) * _standardised(d[mine, None])).mean(axis=0)


def _standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean(axis=0)) / values.std(axis=0)


def deviations(seed: int, world: World, of: Subject) -> dict[str, float]:
    """Largest absolute deviation of each figure's own values in one replication."""
    rng = np.random.default_rng(seed)
    found = replication(world, of, rng)
    largest: dict[str, float] = {}
    for block in of.blocks:
        items = found[block.wording]
        if block.table == "restoration_map":
            values = restoration(block, of, items.d, world, rng)
        elif block.table == "selectivity_correlation":
            values = head_correlations(block, of, items.d, rng)
        else:
            values = np.array([value(block, cell, items) for cell, _ in block.cells()])
        own = [not block.is_structural(cell) for cell, _ in block.cells()]
        deviation = np.abs(values - block.values.ravel())[own].max()
        largest[block.figure] = max(deviation, largest.get(block.figure, 0.0))
    return largest


def simulated(world: World, of: Subject, first: int, count: int) -> pd.DataFrame:
    """[replications, figures]"""
    seeds = tqdm(range(first, first + count), desc=world.name)
    return pd.DataFrame([deviations(seed, world, of) for seed in seeds])
