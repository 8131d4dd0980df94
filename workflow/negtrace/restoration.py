"""The patching engine: exact restoration sweeps that compute only what a patch can change.

A patch copies activations of the source run into the base run at one site.  Whatever the site, its
effect is a changed residual stream from some block and some position on, so every sweep is:

1. run base and source once per distinct pair and keep their activations (`runs.py`);
2. for each tail (patches that change the last m rows up to the pooled position, `tails.py`), ask
   the site for the residual stream right after the patch in block 1, 2, ..., L (`sites.py`);
3. carry those states along on a belt: block by block, patches made in the block join those made
   before it, and the whole belt passes through the next block at once; keys and values of the rows
   before the tail come from the base run; in the last block only the pooled row is computed;
4. read the belt out, multiply with the images of each pair's items.

Exact because a causal tower's rows before the patched position cannot change, rows after the
pooled position cannot matter, and blocks before the patched one see no difference.  A tower
without a causal mask has one tail: all rows.

Cells whose value follows from the definitions (rows before the first difference, hidden state 0
where the tokens agree or where the patch completes the source sentence, hidden state L) are
filled in as `known`, not computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from negtrace.runs import (
    BASE_OF,
    SOURCE_OF,
    Sentence,
    SentencePair,
    as_array,
    item_vectors,
    run_bytes,
    run_sentences,
    sentence_pairs,
    stops_at_eot,
)
from negtrace.sites import SITES, Site
from negtrace.tails import (
    PairBatch,
    PositionSet,
    Tail,
    all_positions,
    first_difference,
    make_tails,
    single_positions,
)
from negtrace.tower import TextTower, TowerShape

silent = partial(tqdm, disable=True)

NO_COUNTERPART = "no counterpart in the source sentence"

# Rows (tokens) per matrix product: enough to feed the BLAS, few enough to stay in the caches.
ROWS_PER_PRODUCT = {"cpu": 1024, "cuda": 65536}

Known = Literal["base", "source"]


def carry(
    tower: TextTower,
    batch: PairBatch,
    tail: Tail,
    block: int,
    states: Float[Tensor, "cells B m width"],
    max_rows: int,
) -> Float[Tensor, "cells B rows width"]:
    """Pass patched tails through a block; the last block returns the pooled row alone.

    Overwrites and returns `states` in all blocks but the last.
    """
    cells, sets, m, width = states.shape
    last = block == tower.shape.layers
    _, k_before, v_before = tail.base_prefix(batch.base.qkv[block - 1]).chunk(3, dim=-1)
    mask = tail.mask
    if mask is not None and last:
        mask = tail.only_pooled().mask
    out = states.new_empty(cells, sets, 1, width) if last else states
    step = max(1, max_rows // (sets * m))
    for start in range(0, cells, step):
        x = states[start : start + step]
        e = len(x)
        normed = tower.attention_norm(block, x)
        k, v = tower.key_values(block, normed).chunk(2, dim=-1)
        if last:
            x, normed = tail.pooled_row(x), tail.pooled_row(normed)
        q = tower.queries(block, normed)
        z = tower.attend(
            q.flatten(0, 1),
            torch.cat([k_before.expand(e, -1, -1, -1), k], dim=2).flatten(0, 1),
            torch.cat([v_before.expand(e, -1, -1, -1), v], dim=2).flatten(0, 1),
            None if mask is None else mask.expand(e, -1, -1, -1).flatten(0, 1),
        )
        mid = x + tower.attn_out(block, z).view(x.shape)
        out[start : start + step] = mid.add_(tower.mlp_out(block, mid))
    return out


def finish_block(
    tower: TextTower, block: int, mid: Float[Tensor, "cells B m width"], max_rows: int
) -> Float[Tensor, "cells B m width"]:
    """Add the MLP's output to the residual stream after attention, in place."""
    rows = mid.flatten(0, 2)
    for start in range(0, len(rows), max_rows):
        chunk = rows[start : start + max_rows]
        chunk.add_(tower.mlp_out(block, chunk))
    return rows.view(mid.shape)


def patched_embeddings(
    tower: TextTower,
    batch: PairBatch,
    tail: Tail,
    site: Site,
    first_block: int = 1,
    max_rows: int = ROWS_PER_PRODUCT["cpu"],
) -> Float[Tensor, "cells B embed_dim"]:
    """Sentence embeddings of every cell of a tail whose patch enters in `first_block` or later.

    Cells are ordered by block and, within a block, as `site.cells` lists them.
    """
    layers = tower.shape.layers
    counts = [len(site.cells(block, tower.shape)) for block in range(first_block, layers + 1)]
    belt = batch.base.resid.new_empty(sum(counts), *tail.rows.shape, tower.shape.width)
    final = belt.new_empty(*belt.shape[:2], 1, belt.shape[3])
    carried = 0
    for block, count in zip(range(first_block, layers + 1), counts, strict=True):
        out = final if block == layers else belt
        if carried:
            out[:carried] = carry(tower, batch, tail, block, belt[:carried], max_rows)
        entering = site.enter(tower, batch, tail, block)
        if not site.after_mlp:
            entering = finish_block(tower, block, entering, max_rows)
        out[carried : carried + count] = entering
        carried += count
    return tower.read_out(final.squeeze(2))


def known_layers(
    site: Site, shape: TowerShape, cells: PositionSet, base: Sentence, source: Sentence, pooled: int
) -> dict[int, Known]:
    """The layers at which a position set's score is, by definition, that of one of the runs."""
    layers = site.layers(shape)
    counts_hidden_states = site.first_layer == 0
    known: dict[int, Known] = {}
    if shape.causal and max(cells.targets) < first_difference(base, source):
        return dict.fromkeys(layers, "base")
    if counts_hidden_states:
        changed = list(base.tokens)
        for target, origin in zip(cells.targets, cells.sources, strict=True):
            changed[target] = source.tokens[origin]
        if cells.targets == cells.sources:
            if tuple(changed) == base.tokens:
                known[0] = "base"
            elif tuple(changed) == source.tokens:
                known[0] = "source"
        if pooled in cells.targets:
            known[layers[-1]] = "source"
    if pooled not in cells.targets and site.local:
        known[layers[-1]] = "base"
    return known


@dataclass(frozen=True)
class Study:
    """What a sweep needs besides the tower: pairs, their items, and the unpatched scores.

    Attributes:
        pairs: distinct pairs.
        items: for each pair, the rows of its items.
        images: unit-norm image embedding of every item, float64 [items, embed_dim].
        s_base: score of the base sentence, float64 [items].
        s_source: score of the source sentence, float64 [items].
        logit_scale: factor between a cosine and a score.
    """

    pairs: list[SentencePair]
    items: list[np.ndarray]
    images: np.ndarray
    s_base: np.ndarray
    s_source: np.ndarray
    logit_scale: float

    def item_rows(self, pairs: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """For every item of the given pairs: which entry of `pairs` it is of, and its row."""
        items = [self.items[pair] for pair in pairs]
        return np.repeat(np.arange(len(pairs)), [len(i) for i in items]), np.concatenate(items)


class ScoreGrid:
    """Scores of patched sentences: one value per item, layer, head and position.

    Attributes:
        s_patched: float64 [items, layers, heads or 1, positions or 1]; NaN where nothing is filled.
        known: same shape, whether the value is one by definition.
    """

    def __init__(self, study: Study, site: Site, shape: TowerShape, positions: int) -> None:
        self.study = study
        self.site = site
        heads = shape.heads if site.by_head else 1
        size = (len(study.s_base), len(site.layers(shape)), heads, positions)
        self.s_patched = np.full(size, np.nan)
        self.known = np.zeros(size, dtype=bool)

    def fill_computed(
        self,
        pairs: Sequence[int],
        positions: Sequence[int],
        cells: Sequence[tuple[int, int | None]],
        embeddings: Float[np.ndarray, "cells pairs embed_dim"],
    ) -> None:
        """Multiply patched embeddings with the images of each pair's items."""
        entry, item = self.study.item_rows(pairs)
        images = self.study.images[item]
        at = np.maximum(positions, 0)[entry]
        for (layer, head), embedding in zip(cells, embeddings, strict=True):
            cosine = np.einsum("re,re->r", embedding[entry].astype(np.float64), images)
            self.s_patched[item, layer - self.site.first_layer, (head or 1) - 1, at] = (
                self.study.logit_scale * cosine
            )

    def fill_known(self, pair: int, position: int, layer: int, value: Known) -> None:
        """Set a pair's cells, all heads of a layer, to the score of one of its runs."""
        item = self.study.items[pair]
        scores = self.study.s_base if value == "base" else self.study.s_source
        at = (item, layer - self.site.first_layer, slice(None), max(position, 0))
        self.s_patched[at] = scores[item][:, None]
        self.known[at] = True


def sweep_batch(
    tower: TextTower,
    site: Site,
    pairs: Sequence[SentencePair],
    direction: str,
    first_index: int,
    grid: ScoreGrid,
    max_rows: int,
) -> None:
    """Sweep one batch of pairs into the grid.

    Args:
        first_index: index of the batch's first pair in the study.
    """
    shape = tower.shape
    bases = [pair.sentence(BASE_OF[direction]) for pair in pairs]
    sources = [pair.sentence(SOURCE_OF[direction]) for pair in pairs]
    batch = PairBatch(
        run_sentences(tower, [s.tokens for s in bases]),
        run_sentences(tower, [s.tokens for s in sources]),
    )
    pooled = batch.base.pooled.tolist()
    position_sets = all_positions if site.positions == "all" else single_positions
    sets = [
        position_set
        for i in range(len(pairs))
        for position_set in position_sets(i, bases[i], sources[i])
    ]
    known = [
        known_layers(site, shape, s, bases[s.pair], sources[s.pair], pooled[s.pair]) for s in sets
    ]
    for first_block in (1, 2):
        starting = [
            s
            for s, layers in zip(sets, known, strict=True)
            if first_computed_block(site, shape, layers) == first_block
        ]
        cells = [c for b in range(first_block, shape.layers + 1) for c in site.cells(b, shape)]
        first_rows = [first_difference(bases[s.pair], sources[s.pair]) for s in starting]
        for tail in make_tails(starting, batch.base, first_rows, shape, max_rows):
            embeddings = patched_embeddings(tower, batch, tail, site, first_block, max_rows)
            grid.fill_computed(
                [first_index + s.pair for s in tail.sets],
                [s.label for s in tail.sets],
                cells,
                as_array(embeddings),
            )
    for position_set, layers in zip(sets, known, strict=True):
        for layer, value in layers.items():
            grid.fill_known(first_index + position_set.pair, position_set.label, layer, value)


def first_computed_block(site: Site, shape: TowerShape, known: dict[int, Known]) -> int | None:
    """1, 2 if nothing needs to be computed for block 1, or None if everything is known."""
    if len(known) == len(site.layers(shape)):
        return None
    return 2 if site.first_layer == 0 and 0 in known else 1


def batch_size(shape: TowerShape, site: Site, longest: int, itemsize: int, memory_gb: float) -> int:
    """Pairs per batch so that runs, belt and temporaries fit the memory budget."""
    n = longest if stops_at_eot(shape) else shape.context_length
    cells = sum(len(site.cells(block, shape)) for block in range(1, shape.layers + 1))
    runs = 2 * run_bytes(shape, n, itemsize)
    belt = cells * n * shape.width * itemsize
    temporaries = ROWS_PER_PRODUCT["cpu"] * (shape.mlp_width * 2 + shape.width * 8) * itemsize
    return max(1, int((memory_gb * 2**30 - temporaries) / (runs + 2 * belt)))


@torch.inference_mode()
def sweep(
    tower: TextTower,
    alignment: pd.DataFrame,
    candidates: pd.DataFrame,
    images: pd.DataFrame,
    scores: pd.DataFrame,
    site: str,
    direction: str,
    logit_scale: float,
    memory_gb: float = 2.0,
    progress: Callable[..., Any] = silent,
) -> pd.DataFrame:
    """Restoration of every cell of one site for every item.

    R = (S_patched - S_base) / (S_source - S_base); null where the denominator is 0 and in cells
    that are not eligible.

    Args:
        tower: text tower, on the device and in the precision of the computation.
        alignment, candidates, images, scores: tables of those names.
        site: key of `SITES`.
        direction: ``negate`` (source: negated run) or ``affirm`` (source: affirmative run).
        logit_scale: factor between a cosine and a score.
        memory_gb: budget for activations; the weights are not counted.
        progress: called with ``total`` and ``desc``, returns a bar with ``update`` and ``close``.

    Returns:
        the table ``sweep``, ordered by item, layer, head and position.
    """
    place = SITES[site]
    study = make_study(alignment, candidates, images, scores, direction, logit_scale)
    longest = max(len(s.tokens) for p in study.pairs for s in (p.negated, p.affirmative))
    base_longest = max(len(p.sentence(BASE_OF[direction]).tokens) for p in study.pairs)
    grid = ScoreGrid(study, place, tower.shape, 1 if place.positions == "all" else base_longest)
    size = batch_size(tower.shape, place, longest, tower.dtype.itemsize, memory_gb)
    max_rows = ROWS_PER_PRODUCT[tower.device.type]
    bar = progress(total=len(study.pairs), desc=f"{site} {direction}", unit="pair")
    for start in range(0, len(study.pairs), size):
        pairs = study.pairs[start : start + size]
        sweep_batch(tower, place, pairs, direction, start, grid, max_rows)
        bar.update(len(pairs))
    bar.close()
    return tidy(grid, candidates, tower.shape, direction)


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
    rows = candidates.reset_index(drop=True).groupby("pair_id", observed=True).indices
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


def tidy(
    grid: ScoreGrid, candidates: pd.DataFrame, shape: TowerShape, direction: str
) -> pd.DataFrame:
    """The grid as the table ``sweep``: one row per item and cell of the item's base sentence."""
    study, site = grid.study, grid.site
    n_items, n_positions = grid.s_patched.shape[0], grid.s_patched.shape[3]
    role = np.full((n_items, n_positions), None, dtype=object)
    exists = np.zeros((n_items, n_positions), dtype=bool)
    matched = np.zeros((n_items, n_positions), dtype=bool)
    for pair, items in zip(study.pairs, study.items, strict=True):
        base = pair.sentence(BASE_OF[direction])
        if site.positions == "all":
            role[items], exists[items], matched[items] = "all", True, True
            continue
        n = len(base.tokens)
        exists[items, :n] = True
        role[items, :n] = base.roles
        matched[items, :n] = np.asarray(base.counterparts) >= 0
    wanted = np.broadcast_to(exists[:, None, None, :], grid.s_patched.shape)
    item, layer, head, position = np.nonzero(wanted)
    s_patched = grid.s_patched[wanted]
    eligible = matched[item, position]
    span = study.s_source - study.s_base
    with np.errstate(divide="ignore", invalid="ignore"):
        restoration = (s_patched - study.s_base[item]) / span[item]
    restoration[~np.isfinite(restoration)] = np.nan
    every = len(item)
    return pd.DataFrame(
        {
            "item_id": candidates["item_id"].to_numpy()[item],
            "pair_id": candidates["pair_id"].to_numpy()[item],
            "site": pd.Categorical.from_codes(np.zeros(every, dtype=int), [site.name]),
            "direction": pd.Categorical.from_codes(np.zeros(every, dtype=int), [direction]),
            "layer": (layer + site.first_layer).astype(np.int16),
            "head": pd.array(head + 1 if site.by_head else [pd.NA] * every, dtype="Int16"),
            "position": pd.array(
                [pd.NA] * every if site.positions == "all" else position, dtype="Int16"
            ),
            "role": role[item, position],
            "eligible": eligible,
            "reason": pd.Series(np.where(eligible, None, NO_COUNTERPART), dtype="string"),
            "known": grid.known[wanted],
            "s_patched": s_patched,
            "restoration": restoration,
        }
    )
