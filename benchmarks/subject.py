"""What is benchmarked: a random-weight text tower, minimal pairs, and their tables.

The speed of a patch depends on shapes and sentence lengths alone, so weights and image embeddings
are random, from a seed; the sentences are VALSE's where its file is at hand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from negtrace.data import pairs
from negtrace.data.demo_world.items import sample_items
from negtrace.data.readers.valse import read_valse
from negtrace.models.alignment import align
from negtrace.models.edits import first_difference
from negtrace.models.open_clip_tower import text_tower
from negtrace.models.openclip import ModelSpec, load, tokenizer_of
from negtrace.models.tower import TextTower
from negtrace.models.tower_shape import TowerShape
from negtrace.models.tower_weights import BLOCK_WEIGHTS
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import scores, sentence_embeddings
from negtrace.patching.sentences import SentencePair
from negtrace.patching.sentences import sentence_pairs as pairs_of
from negtrace.vocabulary import BASE_OF, SOURCE_OF

ROOT = Path(__file__).resolve().parents[1]
VALSE_FILES = (
    ROOT / "resources" / "valse" / "existence.json",
    ROOT.parent / "shared" / "valse" / "existence.json",
)
ARCHITECTURE = "ViT-B-32-quickgelu"
LOGIT_SCALE = 100.0  # OpenAI's trained value; a fresh model's 14.3 would only rescale scores
MIN_VOTES = 2
SCENE_ITEMS = 500


@dataclass(frozen=True)
class Subject:
    """A tower and the tables that a sweep reads.

    Attributes:
        tower: the engine's text tower.
        model: the open_clip module that it was cut out of; None for towers of a bare shape.
        alignment, candidates, images, scores: the sweep's tables.
        sentences: where the sentences come from.
    """

    tower: TextTower
    model: nn.Module | None
    alignment: pd.DataFrame
    candidates: pd.DataFrame
    images: pd.DataFrame
    scores: pd.DataFrame
    sentences: str

    @property
    def pairs(self) -> list[SentencePair]:
        return pairs_of(self.alignment)

    def only(self, pair_ids: set[str]) -> Subject:
        """The same subject with some of its pairs."""
        tables = {
            name: (table := getattr(self, name))[table["pair_id"].isin(pair_ids)].reset_index(
                drop=True
            )
            for name in ("alignment", "candidates", "scores")
        }
        return replace(self, **tables)

    def first(self, count: int, seed: int) -> Subject:
        """A random choice of pairs; all of them where there are not more."""
        ids = self.candidates["pair_id"].unique()
        if count >= len(ids):
            return self
        return self.only(set(np.random.default_rng(seed).choice(ids, count, replace=False)))

    def sweep(self, site: str, direction: str = "negate", memory_gb: float = 2.0) -> pd.DataFrame:
        """The engine's sweep of one site."""
        tables = (self.alignment, self.candidates, self.images, self.scores)
        return sweep(self.tower, *tables, site, direction, LOGIT_SCALE, memory_gb)


def valse_file() -> Path | None:
    """The real benchmark file, if it is here."""
    return next((path for path in VALSE_FILES if path.is_file()), None)


def rephrased_candidates() -> tuple[pd.DataFrame, str]:
    """Valid items in the wording `rephrased`, and what they are."""
    path = valse_file()
    if path is not None:
        items, source = read_valse(path), "VALSE existence, rephrased"
    else:
        made = sample_items(SCENE_ITEMS, seed=0)
        items = pd.DataFrame(
            [
                {
                    "item_id": item.item_id,
                    "image_file": item.image_file,
                    "caption": item.caption,
                    "foil": item.foil,
                    "votes_caption": item.votes,
                    "votes_foil": 3 - item.votes,
                    "votes_other": 0,
                }
                for item in made
            ]
        )
        source = "demo scenes, rephrased (VALSE's file is not here)"
    worded, rejected = pairs.candidates(items, "rephrased")
    return pairs.select(worded, rejected, MIN_VOTES)[0], source


def make_subject(seed: int = 0, device: str = "cpu") -> Subject:
    """ViT-B/32's text tower with random weights, and the rephrased items."""
    loaded = load(ModelSpec(ARCHITECTURE, seed=seed))
    return with_tables(text_tower(loaded.model).to(device=device), loaded.model, seed)


def with_tables(tower: TextTower, model: nn.Module | None, seed: int) -> Subject:
    """Tables of the rephrased items for any tower that reads CLIP's tokens."""
    candidates, source = rephrased_candidates()
    alignment = align(candidates, tokenizer_of(ARCHITECTURE), tower.shape)
    return complete(tower, model, alignment, candidates, seed, source)


def complete(
    tower: TextTower,
    model: nn.Module | None,
    alignment: pd.DataFrame,
    candidates: pd.DataFrame,
    seed: int,
    source: str,
    memory_gb: float = 1.0,
) -> Subject:
    """Add random unit-norm images and the unpatched scores."""
    files = candidates["image_file"].unique()
    vectors = np.random.default_rng(seed).normal(size=(len(files), tower.shape.embed_dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    images = pd.DataFrame({"image_file": files, "embedding": list(vectors)})
    sentences = sentence_embeddings(tower, alignment, memory_gb)
    unpatched = scores(candidates, sentences, images, LOGIT_SCALE)
    return Subject(tower, model, alignment, candidates, images, unpatched, source)


def random_tower(shape: TowerShape, seed: int = 0, device: str = "cpu") -> TextTower:
    """A tower of any shape with seeded normal weights of scale 1 / sqrt(inputs)."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator).mul_(size[-1] ** -0.5).to(device)

    w, m = shape.width, shape.mlp_width
    sizes = {
        "qkv.weight": (3 * w, w),
        "qkv.bias": (3 * w,),
        "out.weight": (w, w),
        "out.bias": (w,),
        "fc.weight": (m, w),
        "fc.bias": (m,),
        "proj.weight": (w, m),
        "proj.bias": (w,),
    }
    weights = {
        "token_embedding": normal(shape.vocab_size, w),
        "positional_embedding": normal(shape.context_length, w),
        "ln_final.weight": torch.ones(w, device=device),
        "ln_final.bias": torch.zeros(w, device=device),
        "projection": normal(w, shape.embed_dim),
    }
    for block in range(1, shape.layers + 1):
        for name in BLOCK_WEIGHTS:
            if name in sizes:
                weight = normal(*sizes[name])
            else:
                weight = (torch.ones if name.endswith("weight") else torch.zeros)(w, device=device)
            weights[f"blocks.{block}.{name}"] = weight
    return TextTower(shape, weights)


def computed_cells(subject: Subject, table: pd.DataFrame, direction: str) -> pd.DataFrame:
    """The patches of a sweep: one row per distinct pair and cell that is not known beforehand.

    Returns:
        columns pair_id, layer, head, position, s_patched, rows (m: rows that the patch changes),
        length (n: tokens of the base sentence).
    """
    one_item = subject.candidates.drop_duplicates("pair_id")["item_id"]
    wanted = table["item_id"].isin(one_item) & table["eligible"] & ~table["known"]
    cells = table.loc[wanted, ["item_id", "pair_id", "layer", "head", "position", "s_patched"]]
    length, first = {}, {}
    for pair in subject.pairs:
        base, source = pair.sentence(BASE_OF[direction]), pair.sentence(SOURCE_OF[direction])
        length[pair.pair_id] = len(base.tokens)
        first[pair.pair_id] = first_difference(base.tokens, source.tokens)
    length, first = cells["pair_id"].map(length), cells["pair_id"].map(first)
    start = np.maximum(first, cells["position"].fillna(0).astype(int))
    return cells.assign(rows=length - start, length=length).reset_index(drop=True)
