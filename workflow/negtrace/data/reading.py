"""Reading: what one model makes of a dataset's candidates.

Tokenizers differ, so only now is known which sentences are too long, which pairs have sentences
that the model cannot tell apart, and which are two spellings of one pair.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from negtrace.data.donor_pairs import placebo_pairs
from negtrace.data.items import text_frame
from negtrace.data.pairs import REASON_COLUMNS, one_spelling
from negtrace.models.alignment import Tokenizer, align
from negtrace.models.sentence_faults import sentence_fault
from negtrace.models.tower_shape import TowerShape
from negtrace.vocabulary import POLARITIES

SAME_TOKENS = "the model reads both sentences as the same tokens"
NO_NEGATOR_TOKEN = "the model's tokens do not show which word is the negator"


def read_candidates(
    candidates: pd.DataFrame, tokenizer: Tokenizer, shape: TowerShape
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The candidates that a model can read, and how it reads them.

    Args:
        candidates: table ``candidates``.

    Returns:
        the tables ``candidates`` (one `pair_id` for each pair of token sequences), ``alignment``
        of these pairs, without its shared columns, and ``excluded``; every item of `candidates` is
        in the first or in the last, in their order.
    """
    texts = pd.unique(pd.concat([candidates["negated"], candidates["affirmative"]]))
    tokens = {text: tuple(map(int, tokenizer.encode(text))) for text in texts}
    both = [
        (tokens[negated], tokens[affirmative])
        for negated, affirmative in zip(
            candidates["negated"], candidates["affirmative"], strict=True
        )
    ]
    reasons = pd.Series([_fault(*pair, shape) for pair in both], candidates.index, dtype="object")
    keys = pd.Series([f"{negated}|{affirmative}" for negated, affirmative in both], reasons.index)
    readable = candidates.assign(pair_id=one_spelling(candidates, keys))
    alignment = align(readable[reasons.isna()], tokenizer, shape)
    hidden = without_negator(readable, alignment)
    reasons = reasons.mask(reasons.isna() & hidden, NO_NEGATOR_TOKEN)
    kept = readable[reasons.isna()].reset_index(drop=True)
    left_out = candidates[["item_id"]].assign(reason=reasons)[reasons.notna()]
    rows: list[Any] = left_out.to_dict("records")
    return (
        kept,
        alignment[alignment["pair_id"].isin(kept["pair_id"])].reset_index(drop=True),
        text_frame(rows, REASON_COLUMNS),
    )


def read_placebos(readable: pd.DataFrame, tokenizer: Tokenizer, shape: TowerShape) -> pd.DataFrame:
    """How a model reads the neutral swaps of the pairs that have one it can read.

    Args:
        readable: the table ``candidates`` of `read_candidates`.

    Returns:
        as the table ``alignment``, of the pairs' own ids and affirmative sentences.
    """
    pairs, _ = placebo_pairs(readable)
    negated, affirmative = (
        [tuple(map(int, tokenizer.encode(text))) for text in pairs[name]] for name in POLARITIES
    )
    faults = [_fault(*both, shape) for both in zip(negated, affirmative, strict=True)]
    return align(pairs[pd.Series(faults, pairs.index, dtype=object).isna()], tokenizer, shape)


def without_negator(candidates: pd.DataFrame, alignment: pd.DataFrame) -> pd.Series:
    """Whether a candidate has a negator that none of its pair's tokens is."""
    shown = alignment.loc[alignment["negator"], "pair_id"].unique()
    return candidates["negator"].notna() & ~candidates["pair_id"].isin(shown)


def _fault(negated: tuple[int, ...], affirmative: tuple[int, ...], shape: TowerShape) -> str | None:
    """Why a model cannot read a pair, or None."""
    for sentence, ids in (("negated", negated), ("affirmative", affirmative)):
        if fault := sentence_fault(ids, shape):
            return f"the {sentence} sentence: {fault}"
    return SAME_TOKENS if negated == affirmative else None
