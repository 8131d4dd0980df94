"""Sentences: the alignment table as pairs of tokenised sentences; which of a pair is patched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Sentence:
    """One tokenised sentence, start token to EOT and what `TowerShape.complete` adds.

    Attributes:
        tokens: token ids.
        roles: what each token is (see `alignment.py`).
        counterparts: position of the same token in the pair's other sentence, or -1.
    """

    tokens: tuple[int, ...]
    roles: tuple[str, ...]
    counterparts: tuple[int, ...]


@dataclass(frozen=True)
class SentencePair:
    """The two sentences of a minimal pair."""

    pair_id: str
    negated: Sentence
    affirmative: Sentence

    def sentence(self, polarity: str) -> Sentence:
        return self.negated if polarity == "negated" else self.affirmative


def sentence_pairs(alignment: pd.DataFrame) -> list[SentencePair]:
    """The pairs of an alignment table, in order of first appearance."""
    sentences: dict[str, dict[str, Sentence]] = {}
    ordered = alignment.sort_values("position", kind="stable")
    tokens = ordered["token_id"].to_numpy(int)
    roles = ordered["role"].to_numpy(str)
    counterparts = ordered["counterpart"].fillna(-1).to_numpy(int)
    by_sentence: dict[Any, Any] = ordered.groupby(["pair_id", "polarity"], observed=True).indices
    for (pair_id, polarity), rows in by_sentence.items():
        sentences.setdefault(str(pair_id), {})[str(polarity)] = Sentence(
            *(tuple(column[rows].tolist()) for column in (tokens, roles, counterparts))
        )
    return [
        SentencePair(pair_id, **sentences[pair_id])
        for pair_id in map(str, alignment["pair_id"].drop_duplicates())
    ]
