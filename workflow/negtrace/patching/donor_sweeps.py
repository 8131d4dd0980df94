"""Donor sweeps: every cell of a site patched from a study's donors, base sentences unchanged.

placebo     the neutral swap of the same sentence; where a pair has none, and in direction
            ``affirm``, the base run moved as far as by the real source, in a random direction
transfer    the source sentence of another pair, its partner

Each is a sweep of the pairs under their own ids, so that its rows go with those of the real sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd

from negtrace.data.donor_pairs import transfer_partners, with_partners
from negtrace.models.tower import TextTower
from negtrace.patching.interventions import Intervention, as_intervention
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import scores, sentence_embeddings
from negtrace.patching.shards import in_order
from negtrace.progress import silent
from negtrace.vocabulary import BASE_OF, SOURCE_OF

NEUTRAL, RANDOM, PARTNER = "neutral swap", "random direction", "another pair"

CELL = ["item_id", "pair_id", "site", "direction", "layer", "head", "position", "role"]
COLUMNS = ["donor", "source", *CELL, "known", "s_patched"]


class Donation(NamedTuple):
    """What one donor gives to some of the pairs.

    Attributes:
        donor: its name in the vocabulary.
        source: what activations are copied from.
        alignment: table of that name, of these pairs with the donor's source sentences.
    """

    donor: str
    source: str
    alignment: pd.DataFrame


def donations(
    donors: Sequence[str],
    intervention: str | Intervention,
    direction: str,
    alignment: pd.DataFrame,
    placebo_alignment: pd.DataFrame,
    candidates: pd.DataFrame,
    seed: int,
) -> Iterator[Donation]:
    """Who is patched from what; no pair twice by one donor.

    Args:
        alignment, candidates: tables of those names, of the whole study.
        placebo_alignment: the same of the neutral swaps (`reading.read_placebos`).
        intervention: what is patched; one with a donor of its own has no others.
        seed: of the derangement.
    """
    kind = as_intervention(intervention)
    if kind.donor != "source":
        return
    if "placebo" in donors:
        swaps = placebo_alignment if direction == "negate" else placebo_alignment[:0]
        without = ~alignment["pair_id"].isin(set(swaps["pair_id"]))
        if len(swaps):
            yield Donation("placebo", NEUTRAL, swaps)
        if without.any() and not kind.place.same_positions:
            yield Donation("placebo", RANDOM, alignment[without])
    if "transfer" in donors:
        partners = transfer_partners(alignment, candidates, seed)
        if partners:
            exchanged = with_partners(alignment, partners, SOURCE_OF[direction])
            yield Donation("transfer", PARTNER, exchanged)


def donor_sweep(
    tower: TextTower,
    given: Iterable[Donation],
    candidates: pd.DataFrame,
    images: pd.DataFrame,
    real_scores: pd.DataFrame,
    intervention: str | Intervention,
    direction: str,
    seed: int,
    logit_scale: float,
    memory_gb: float = 2.0,
    progress: Callable[..., Any] = silent,
) -> pd.DataFrame:
    """Scores of the base sentences patched from each donor.

    Args:
        tower, images, intervention, direction, logit_scale, memory_gb, progress: as in
            `restoration.sweep`.
        given: of `donations`.
        candidates: the items to sweep; those whose pair gets nothing from a donor are left out.
        real_scores: table ``scores``.
        seed: of random directions.

    Returns:
        the table ``donor_sweep``: `COLUMNS` of all eligible cells, items in the order of
        `candidates`.
    """
    parts = []
    own_kind = as_intervention(intervention)
    for donor, source, alignment in given:
        items = candidates[candidates["pair_id"].isin(set(alignment["pair_id"]))]
        if items.empty:
            continue
        items = items.reset_index(drop=True)
        own = alignment[alignment["pair_id"].isin(set(items["pair_id"]))]
        kind, scored = own_kind, real_scores
        if source == RANDOM:
            kind = replace(kind, donor="random", seed=seed)
        else:
            embedded = sentence_embeddings(tower, own, memory_gb)
            theirs = scores(items, embedded, images, logit_scale)
            scored = with_sources(real_scores, theirs, direction)
        tables = (own, items, images, scored)
        found = sweep(tower, *tables, kind, direction, logit_scale, memory_gb, progress)
        found = found[found["eligible"]].assign(donor=donor, source=source)
        parts.append(found[[*COLUMNS, *(["head_set"] if kind.head_sets else [])]])
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    return in_order(pd.concat(parts, ignore_index=True), candidates)


def with_sources(
    real_scores: pd.DataFrame, donor_scores: pd.DataFrame, direction: str
) -> pd.DataFrame:
    """The donor's scores of source sentences, beside the real ones of base sentences.

    Both have embedded the base sentences, in other batches: only one of them gives exact zeros.
    """
    base = f"s_{BASE_OF[direction]}"
    real = real_scores.set_index("item_id")[base]
    return donor_scores.assign(**{base: real.loc[donor_scores["item_id"]].to_numpy()})
