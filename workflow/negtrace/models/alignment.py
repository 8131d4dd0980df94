"""Tokens of the two sentences of a pair: what each one is, and which correspond to each other.

Correspondence comes from the token ids alone (`edits.py`), roles from where the sentences differ
(`roles.py`).  Where the pairs say where their negator and subject stand, their tokens are known too
(`word_tokens.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from negtrace.errors import InputError
from negtrace.models.roles import AlignedPair, align_pair, complete_pair
from negtrace.models.sentence_faults import sentence_fault
from negtrace.models.tower_shape import TowerShape
from negtrace.models.word_tokens import tokens_at
from negtrace.vocabulary import EDITED_ROLES, POLARITIES

COLUMN_TYPES = {
    "pair_id": "str",
    "polarity": "str",
    "position": "int16",
    "token_id": "int32",
    "token": "str",
    "role": "str",
    "counterpart": "Int16",
    "negator": "bool",
}
# Where words stand in the sentences of a pair (`sentences.characters`); null where unknown.
PLACES = ("negator_at", "negated_subject_at", "affirmative_subject_at")


class Tokenizer(NamedTuple):
    """How a model cuts sentences into tokens."""

    encode: Callable[[str], list[int]]  # sentence to ids, start token to EOT, no padding
    decode: Callable[[int], str]  # id to the token's text
    start_tokens: int  # start tokens that encode sets before the sentence, 0 or 1
    pad_id: int  # what fills a sentence up to the context length
    own: Any = None  # open_clip's: sentences to ids, padded, as its models take them


def align(
    pairs: pd.DataFrame,
    tokenizer: Tokenizer,
    shape: TowerShape,
) -> pd.DataFrame:
    """Tokenise, classify and align both sentences of every distinct pair.

    Args:
        pairs: columns pair_id, negated, affirmative, and `PLACES` as far as they are known; rows
            that repeat a pair_id are skipped.
        tokenizer: the model's.
        shape: of the model's text tower.

    Returns:
        the table ``alignment`` without its shared columns: one row per token, pairs in order of
        first appearance, the negated sentence first.

    Raises:
        InputError: the model cannot read a sentence, or the tokenizer gives both sentences of a
            pair the same tokens.
    """
    distinct = pairs.drop_duplicates("pair_id")
    texts = pd.unique(pd.concat([distinct["negated"], distinct["affirmative"]]))
    tokens = {text: [int(token) for token in tokenizer.encode(text)] for text in texts}
    for text, ids in tokens.items():
        if fault := sentence_fault(ids, shape):
            raise InputError(f"sentence {text!r}: {fault}; change the sentence or remove its items")
    completed = {text: shape.complete(ids) for text, ids in tokens.items()}
    token_texts = {i: tokenizer.decode(i) for i in {i for ids in tokens.values() for i in ids}}
    words = {token: bare_word(text) for token, text in token_texts.items()}

    def place(row: Any, name: str, text: str) -> list[int]:
        at = row.get(name)
        if not isinstance(at, str):
            return []
        ids = tokens[text]
        return tokens_at(text, at, ids, tokenizer.encode, tokenizer.start_tokens) or []

    columns: dict[str, list[Any]] = {name: [] for name in COLUMN_TYPES}
    rows: list[Any] = distinct.to_dict("records")
    for row in rows:
        pair_id, negated, affirmative = row["pair_id"], row["negated"], row["affirmative"]
        if tokens[negated] == tokens[affirmative]:
            raise InputError(
                f"pair {pair_id}: the tokenizer gives {negated!r} and {affirmative!r} the same "
                "tokens; remove the pair's items or use another model"
            )
        subjects = (
            place(row, "negated_subject_at", negated),
            place(row, "affirmative_subject_at", affirmative),
        )
        pair = align_pair(
            tokens[negated],
            tokens[affirmative],
            words.__getitem__,
            tokenizer.start_tokens,
            subjects if all(subjects) else ((), ()),
        )
        lengths = (len(completed[negated]), len(completed[affirmative]))
        pair = complete_pair(pair, lengths, shape.pool in ("last", "class"))
        negator = place(row, "negator_at", negated)
        for polarity, text in zip(POLARITIES, (negated, affirmative), strict=True):
            roles, others = _of_sentence(pair, polarity)
            ids, n = completed[text], len(tokens[text])
            columns["pair_id"] += [pair_id] * len(ids)
            columns["polarity"] += [polarity] * len(ids)
            columns["position"] += range(len(ids))
            columns["token_id"] += ids
            columns["token"] += [token_texts[token] for token in ids[:n]]
            columns["token"] += [f"<{role}>" for role in roles[n:]]
            columns["role"] += roles
            columns["counterpart"] += others
            columns["negator"] += [polarity == "negated" and i in negator for i in range(len(ids))]
    return pd.DataFrame(
        {name: pd.Series(columns[name], dtype=dtype) for name, dtype in COLUMN_TYPES.items()}
    )


def _of_sentence(pair: AlignedPair, polarity: str) -> tuple[list[str], list[int | None]]:
    if polarity == "negated":
        return pair.negated_roles, pair.negated_counterparts
    return pair.affirmative_roles, pair.affirmative_counterparts


def looked_at(alignment: pd.DataFrame) -> dict[str, list[int]]:
    """Positions that attention is measured to in the negated sentence of every pair, by pair_id.

    They are the negator's tokens, all of them; where a pair has no negator (another contrast, a
    control's neutral word), the tokens in which the sentence differs, if it has any.

    Args:
        alignment: table ``alignment``.
    """
    rows = alignment[alignment["polarity"] == "negated"].astype({"pair_id": str})
    edited = rows["role"].isin(EDITED_ROLES)
    negated = rows.groupby("pair_id", sort=False)["negator"].transform("any")
    of_pair = rows[rows["negator"] | (edited & ~negated)].sort_values("position", kind="stable")
    found: dict[str, list[int]] = {str(pair_id): [] for pair_id in rows["pair_id"].unique()}
    for pair_id, position in zip(of_pair["pair_id"], of_pair["position"], strict=True):
        found[pair_id].append(int(position))
    return found


def bare_word(token_text: str) -> str:
    """Token text in lower case, without the marks that tokenizers set at word boundaries."""
    return token_text.removesuffix("</w>").strip(" ▁Ġ").lower()
