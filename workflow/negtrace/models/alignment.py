"""Tokens of the two sentences of a pair: what each one is, and which correspond to each other.

Correspondence comes from the token ids alone.  After the common start and the common end are set
aside, what remains is compared by longest matching blocks; an edited span corresponds position by
position if it is equally long in both sentences, else not at all.

Roles come in two schemas; both sentences of a pair use the same one.

"There is/are" sentences that differ in one determiner directly after the verb:
    SOT, there, be, determiner, subject_first, subject_rest (every further token, a trailing phrase
    included), full_stop, EOT (Quantmeyer et al. 2024).  Where the negator was inserted, the
    affirmative sentence has no determiner.
Anything else:
    SOT, shared_before, edit, shared_after, EOT; shared_between lies between two edited spans.

Some tokenizers have no start token; their sentences have no SOT.  What a tower reads behind EOT
has roles of its own: padding, and pooled for the position that is read out if it lies there (the
last of the context, or a class token).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import pandas as pd

from negtrace.errors import InputError
from negtrace.models.sentence_faults import sentence_fault
from negtrace.models.tower_shape import TowerShape
from negtrace.vocabulary import NEGATOR

PADDING, POOLED = "padding", "pooled"

# "many" and "the" are the neutral swaps that a negation is compared with.
DETERMINERS = frozenset({"no", "a", "an", "some", "many", "the"})
DETERMINER_POSITION = 2  # after the start token

COLUMN_TYPES = {
    "pair_id": "str",
    "polarity": "str",
    "position": "int16",
    "token_id": "int32",
    "token": "str",
    "role": "str",
    "counterpart": "Int16",
}


class Tokenizer(NamedTuple):
    """How a model cuts sentences into tokens."""

    encode: Callable[[str], list[int]]  # sentence to ids, start token to EOT, no padding
    decode: Callable[[int], str]  # id to the token's text
    start_tokens: int  # start tokens that encode sets before the sentence, 0 or 1
    pad_id: int  # what fills a sentence up to the context length
    own: Any = None  # open_clip's: sentences to ids, padded, as its models take them


class EditedSpan(NamedTuple):
    """Tokens that differ: [start, end) in either sentence; one of the two may be empty."""

    negated: range
    affirmative: range


class AlignedPair(NamedTuple):
    """Roles and counterparts of both sentences, one entry per token."""

    negated_roles: list[str]
    affirmative_roles: list[str]
    negated_counterparts: list[int | None]
    affirmative_counterparts: list[int | None]


def first_difference(tokens_a: Sequence[int], tokens_b: Sequence[int]) -> int:
    """First position at which two token sequences differ.

    Where one continues the other, that is the shorter one's length.
    """
    matching = zip(tokens_a, tokens_b, strict=False)
    shorter = min(len(tokens_a), len(tokens_b))
    return next((i for i, (a, b) in enumerate(matching) if a != b), shorter)


def edited_spans(negated: Sequence[int], affirmative: Sequence[int]) -> list[EditedSpan]:
    """The spans in which two token sequences differ, in order; none if they are equal.

    Setting the common start and end aside first makes a single edit one span, however often its
    words occur elsewhere in the sentence.
    """
    start = first_difference(negated, affirmative)
    common_end = min(
        first_difference(negated[::-1], affirmative[::-1]),
        min(len(negated), len(affirmative)) - start,
    )
    matcher = SequenceMatcher(
        None,
        negated[start : len(negated) - common_end],
        affirmative[start : len(affirmative) - common_end],
        autojunk=False,
    )
    return [
        EditedSpan(range(start + i, start + j), range(start + k, start + m))
        for tag, i, j, k, m in matcher.get_opcodes()
        if tag != "equal"
    ]


def counterparts(
    n_negated: int, n_affirmative: int, spans: Sequence[EditedSpan]
) -> tuple[list[int | None], list[int | None]]:
    """Position in the other sentence that each token corresponds to, for both sentences.

    Symmetric and strictly increasing; None for tokens of an edited span whose lengths differ.
    """
    of_negated: list[int | None] = [None] * n_negated
    of_affirmative: list[int | None] = [None] * n_affirmative
    end = EditedSpan(range(n_negated, n_negated), range(n_affirmative, n_affirmative))
    i = j = 0
    for span in (*spans, end):
        shared = (range(i, span.negated.start), range(j, span.affirmative.start))
        matches = list(zip(*shared, strict=True))
        if len(span.negated) == len(span.affirmative):
            matches += zip(span.negated, span.affirmative, strict=True)
        for a, b in matches:
            of_negated[a], of_affirmative[b] = b, a
        i, j = span.negated.stop, span.affirmative.stop
    return of_negated, of_affirmative


def is_there_pair(negated_words: Sequence[str], spans: Sequence[EditedSpan], start: int) -> bool:
    """Whether the pair is "There is/are <determiner> …", inserted or exchanged for one token.

    Args:
        start: number of start tokens, 0 or 1.
    """
    if len(spans) != 1:
        return False
    at = start + DETERMINER_POSITION
    negated, affirmative = spans[0]
    return (
        negated == range(at, at + 1)
        and len(affirmative) <= 1
        and negated_words[start] == "there"
        and negated_words[start + 1] in {"is", "are"}
        and negated_words[at] in DETERMINERS
    )


def there_roles(words: Sequence[str], has_determiner: bool, start: int = 1) -> list[str]:
    """Roles in a "There is/are" sentence, from the texts of its tokens [n]."""
    head = ["SOT"] * start + ["there", "be"] + ["determiner"] * has_determiner
    tail = ["full_stop"] * (words[-2] == ".") + ["EOT"]
    n_subject = len(words) - len(head) - len(tail)
    subject = ["subject_first"] + ["subject_rest"] * (n_subject - 1)
    return head + subject[:n_subject] + tail


def diff_roles(n_tokens: int, edits: Sequence[range], start: int = 1) -> list[str]:
    """Roles by where the edited spans lie in a sentence of n tokens; an empty span is a place."""
    edited = {i for edit in edits for i in edit}

    def role(i: int) -> str:
        if i in edited:
            return "edit"
        if i < edits[0].start:
            return "shared_before"
        return "shared_after" if i >= edits[-1].stop else "shared_between"

    return ["SOT"] * start + [*(role(i) for i in range(start, n_tokens - 1)), "EOT"]


def align_pair(
    negated: Sequence[int],
    affirmative: Sequence[int],
    word_of: Callable[[int], str],
    start: int = 1,
) -> AlignedPair:
    """Align the two sentences of one pair.

    Args:
        negated, affirmative: token ids, start token to EOT; they must not be equal.
        word_of: text of a token in lower case, without marks of word boundaries.
        start: number of start tokens, 0 or 1.
    """
    spans = edited_spans(negated, affirmative)
    negated_words = [word_of(token) for token in negated]
    if is_there_pair(negated_words, spans, start):
        affirmative_words = [word_of(token) for token in affirmative]
        roles = (
            there_roles(negated_words, True, start),
            there_roles(affirmative_words, len(spans[0].affirmative) == 1, start),
        )
    else:
        roles = (
            diff_roles(len(negated), [span.negated for span in spans], start),
            diff_roles(len(affirmative), [span.affirmative for span in spans], start),
        )
    return AlignedPair(*roles, *counterparts(len(negated), len(affirmative), spans))


def complete_pair(pair: AlignedPair, lengths: tuple[int, int], pools_at_end: bool) -> AlignedPair:
    """Add what a tower reads behind EOT; it corresponds from the end backwards.

    Args:
        lengths: of the completed negated and affirmative sentence.
        pools_at_end: whether the last position is the one that is read out.
    """
    spoken = (len(pair.negated_roles), len(pair.affirmative_roles))
    behind = tuple(length - n for length, n in zip(lengths, spoken, strict=True))
    columns: list[list[Any]] = [list(column) for column in pair]
    for number, extra in enumerate(behind):
        roles = [PADDING] * extra
        if extra and pools_at_end:
            roles[-1] = POOLED
        columns[number] += roles
        other = 1 - number
        shift = lengths[other] - lengths[number]
        columns[2 + number] += [
            i + shift if i + shift >= spoken[other] else None
            for i in range(spoken[number], lengths[number])
        ]
    return AlignedPair(*columns)


def negator_position(words: Sequence[str], roles: Sequence[str]) -> int | None:
    """Position of the negator in the negated sentence, or None if it cannot be told.

    It is the determiner of a "There is/are" sentence; else the first edited "no"; else the only
    "no" there is; else the only edited token (a control's neutral word).

    Args:
        words, roles: of its tokens.
    """
    edited = [i for i, role in enumerate(roles) if role == "edit"]
    no = [i for i, word in enumerate(words) if word == NEGATOR]
    if "determiner" in roles:
        return list(roles).index("determiner")
    if edited_no := [i for i in no if i in edited]:
        return edited_no[0]
    return next((found[0] for found in (no, edited) if len(found) == 1), None)


def negator_positions(alignment: pd.DataFrame) -> dict[str, int]:
    """Position of the negator by pair_id; pairs whose negator cannot be told are left out.

    Args:
        alignment: table ``alignment``.
    """
    negated = alignment[alignment["polarity"] == "negated"].sort_values("position", kind="stable")
    found = {
        str(pair_id): negator_position(
            [bare_word(token) for token in tokens["token"]], list(tokens["role"])
        )
        for pair_id, tokens in negated.groupby("pair_id", observed=True)
    }
    return {pair_id: position for pair_id, position in found.items() if position is not None}


def align(
    pairs: pd.DataFrame,
    tokenizer: Tokenizer,
    shape: TowerShape,
) -> pd.DataFrame:
    """Tokenise, classify and align both sentences of every distinct pair.

    Args:
        pairs: columns pair_id, negated, affirmative; rows that repeat a pair_id are skipped.
        tokenizer: the model's.
        shape: of the model's text tower.

    Returns:
        the table ``alignment`` without its shared columns: one row per token, pairs in order of
        first appearance, the negated sentence first.

    Raises:
        InputError: the model cannot read a sentence, or the tokenizer gives both sentences of a
            pair the same tokens.
    """
    distinct = pairs[["pair_id", "negated", "affirmative"]].drop_duplicates("pair_id")
    texts = pd.unique(pd.concat([distinct["negated"], distinct["affirmative"]]))
    tokens = {text: [int(token) for token in tokenizer.encode(text)] for text in texts}
    for text, ids in tokens.items():
        if fault := sentence_fault(ids, shape):
            raise InputError(f"sentence {text!r}: {fault}; change the sentence or remove its items")
    completed = {text: shape.complete(ids) for text, ids in tokens.items()}
    token_texts = {i: tokenizer.decode(i) for i in {i for ids in tokens.values() for i in ids}}
    words = {token: bare_word(text) for token, text in token_texts.items()}

    columns: dict[str, list[Any]] = {name: [] for name in COLUMN_TYPES}
    for pair_id, negated, affirmative in distinct.itertuples(index=False, name=None):
        if tokens[negated] == tokens[affirmative]:
            raise InputError(
                f"pair {pair_id}: the tokenizer gives {negated!r} and {affirmative!r} the same "
                "tokens; remove the pair's items or use another model"
            )
        pair = complete_pair(
            align_pair(
                tokens[negated], tokens[affirmative], words.__getitem__, tokenizer.start_tokens
            ),
            (len(completed[negated]), len(completed[affirmative])),
            shape.pool in ("last", "class"),
        )
        for polarity, text, roles, others in (
            ("negated", negated, pair.negated_roles, pair.negated_counterparts),
            ("affirmative", affirmative, pair.affirmative_roles, pair.affirmative_counterparts),
        ):
            ids, n = completed[text], len(tokens[text])
            columns["pair_id"] += [pair_id] * len(ids)
            columns["polarity"] += [polarity] * len(ids)
            columns["position"] += range(len(ids))
            columns["token_id"] += ids
            columns["token"] += [token_texts[token] for token in ids[:n]]
            columns["token"] += [f"<{role}>" for role in roles[n:]]
            columns["role"] += roles
            columns["counterpart"] += others
    return pd.DataFrame(
        {name: pd.Series(columns[name], dtype=dtype) for name, dtype in COLUMN_TYPES.items()}
    )


def bare_word(token_text: str) -> str:
    """Token text in lower case, without the marks that tokenizers set at word boundaries."""
    return token_text.removesuffix("</w>").strip(" ▁Ġ").lower()
