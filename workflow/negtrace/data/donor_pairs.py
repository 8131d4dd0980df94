"""Donor pairs: other source sentences, beside unchanged base sentences, for placebo and transfer.

Both come as the tables that an ordinary sweep takes, under the pairs' own ids: the source sentence
of every pair is another one, the base sentence and the items are the same.  So a donor costs one
more sweep, and no dataset.

placebo     the neutral swap of the negated sentence (direction ``negate`` only: a negated base has
            no neutral source)
transfer    the source sentence of another pair, its *partner*, with the same edit, roles and length
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from negtrace.data.controls import neutral_sentence

PAIR = ["pair_id", "negated", "affirmative"]


def placebo_pairs(candidates: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every distinct pair with the neutral swap in the place of its negated sentence.

    Args:
        candidates: table ``candidates``.

    Returns:
        columns pair_id (the pair's own), negated (the neutral sentence), affirmative: what
        `alignment.align` takes; and pair_id, reason of pairs that have no neutral swap.
    """
    first = candidates.drop_duplicates("pair_id").reset_index(drop=True)
    distinct = first[PAIR].astype(str)
    swapped = [
        neutral_sentence(*of_pair)
        for of_pair in zip(
            distinct["negated"], distinct["affirmative"], first["control"], strict=True
        )
    ]
    neutral = pd.Series([sentence for sentence, _ in swapped], dtype=object)
    found = neutral.notna()
    rejected = distinct.loc[~found, ["pair_id"]].assign(
        reason=[reason for sentence, reason in swapped if sentence is None]
    )
    return (
        distinct[found].assign(negated=neutral[found].astype(str)).reset_index(drop=True),
        rejected.reset_index(drop=True),
    )


def transfer_partners(
    alignment: pd.DataFrame, candidates: pd.DataFrame, seed: int
) -> dict[str, str]:
    """The pair whose source run each pair is patched from: a derangement within each kind.

    Pairs are of one kind if both their sentences have the same roles in the same places (and so
    the same length), the same counterparts and the same edit.  Every pair of a kind is partner of
    one other.  Partners have another sentence of both polarities wherever the kind allows it; pairs
    for which it does not, and kinds of one pair, have none.

    Args:
        alignment, candidates: tables of those names.
        seed: of the derangement, which does not depend on the order of rows.
    """
    edits = candidates.drop_duplicates("pair_id").astype({"pair_id": str, "edit": str})
    edit_of = dict(zip(edits["pair_id"], edits["edit"], strict=True))
    plain = alignment.assign(counterpart=alignment["counterpart"].fillna(-1)).astype(
        {"pair_id": str, "polarity": str, "role": str}
    )
    kinds: dict[tuple[Any, ...], list[str]] = {}
    tokens: dict[str, tuple[Any, ...]] = {}
    ordered = plain.sort_values(["pair_id", "polarity", "position"], kind="stable")
    for name, rows in ordered.groupby("pair_id", sort=True):
        pair_id = str(name)
        if pair_id in edit_of:
            places = tuple(zip(rows["polarity"], rows["role"], rows["counterpart"], strict=True))
            kinds.setdefault((edit_of[pair_id], places), []).append(pair_id)
            sentences = rows.groupby("polarity")["token_id"].agg(tuple)
            tokens[pair_id] = (sentences["negated"], sentences["affirmative"])
    rng = np.random.default_rng(seed)
    partners: dict[str, str] = {}
    for kind in sorted(kinds, key=str):
        partners |= derangement([kinds[kind][i] for i in rng.permutation(len(kinds[kind]))], tokens)
    return partners


def derangement(pairs: list[str], tokens: dict[str, tuple[Any, ...]]) -> dict[str, str]:
    """Each pair's partner: those of one sentence stand in a row, moved on by the longest row."""
    runs = pd.Series(pairs).groupby([str(tokens[pair][0]) for pair in pairs], sort=False)
    in_runs = [pair for _, run in runs for pair in run]
    moved = np.roll(in_runs, -int(runs.size().max()))
    return {
        pair: str(partner)
        for pair, partner in zip(in_runs, moved, strict=True)
        if all(a != b for a, b in zip(tokens[pair], tokens[partner], strict=True))
    }


def with_partners(table: pd.DataFrame, partners: dict[str, str], polarity: str) -> pd.DataFrame:
    """Rows of one polarity are the partner's, under the pair's own id; pairs without one are gone.

    Args:
        table: ``alignment`` or ``sentences``.
        partners: of `transfer_partners`.
        polarity: that of the source sentence (`runs.SOURCE_OF`).
    """
    plain = table.assign(pair_id=table["pair_id"].astype(str))
    kept = plain[plain["pair_id"].isin(list(partners)) & (plain["polarity"] != polarity)]
    source = plain[plain["polarity"] == polarity].rename(columns={"pair_id": "partner"})
    wanted = pd.DataFrame({"pair_id": list(partners), "partner": list(partners.values())})
    replaced = wanted.merge(source, on="partner", validate="one_to_many")
    return pd.concat([kept, replaced[plain.columns]], ignore_index=True)
