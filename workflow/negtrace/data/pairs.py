"""Items -> worded minimal pairs, filtered by the annotators' votes.

An item has a true `caption` and a false `foil`.  One of the two is the *negated* sentence: it says
the word "no" (in any case) more often than the other, the *affirmative* one.  Every item ends up in
exactly one of two tables: its pair, or the reason why it has none.

Sentences are cleaned as open_clip's tokenizers do it first, and spellings that differ by capitals
alone are one pair; what a model's own tokenizer does not tell apart is found later (`reading`).

Wordings:
    standard: the sentences as they are.
    rephrased: only items whose caption starts with "There is" or "There are".  Where "There are
        no X" differs from "There are X" by the negator alone, the affirmative becomes "There are
        some X"; both sentences then have the same number of words (Quantmeyer et al. 2024).
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

import ftfy
import pandas as pd

from negtrace.data.items import text_frame
from negtrace.errors import InputError
from negtrace.vocabulary import NEGATOR, WORDINGS, Negation

Edit = Literal["insert_no", "a_to_no", "some_to_no", "other"]

CANDIDATE_COLUMNS = [
    "item_id",
    "pair_id",
    "image_file",
    "negation",
    "caption",
    "foil",
    "negated",
    "affirmative",
    "edit",
    "votes_caption",
    "votes_foil",
    "votes_other",
]
REASON_COLUMNS = ["item_id", "reason"]

# What stands in the negator's place in the affirmative sentence, and what that edit is called.
EDITS: dict[tuple[str, ...], Edit] = {
    (): "insert_no",
    ("a",): "a_to_no",
    ("an",): "a_to_no",
    ("some",): "some_to_no",
}

_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*|[^\w\s]")
_THERE_BE = re.compile(r"\s*there\s+(is|are)\b", re.IGNORECASE)
_THERE_ARE = re.compile(r"\s*there\s+are\b", re.IGNORECASE)

SAME_SENTENCE = "caption and foil are the same sentence"
NO_NEGATOR = 'no negator "no" distinguishes the two sentences'
NOT_THERE_BE = 'rephrased wording needs a caption starting with "There is" or "There are"'
NEGATOR_ELSEWHERE = 'rephrased wording needs the negator directly after "There are"'
UNEQUAL_LENGTH = "rephrased wording needs sentences with the same number of words"


class MinimalPair(NamedTuple):
    """The two worded sentences of an item."""

    negation: Negation
    negated: str
    affirmative: str
    edit: Edit  # from the affirmative to the negated sentence, as worded

    @property
    def caption(self) -> str:
        return self.negated if self.negation == "caption" else self.affirmative

    @property
    def foil(self) -> str:
        return self.affirmative if self.negation == "caption" else self.negated

    @property
    def pair_id(self) -> str:
        return pair_hash(self.negated, self.affirmative)


def pair_hash(negated: str, affirmative: str) -> str:
    """First 12 hex digits of sha256(negated, newline, affirmative)."""
    return hashlib.sha256(f"{negated}\n{affirmative}".encode()).hexdigest()[:12]


@cache
def cleaned(sentence: str) -> str:
    """A sentence as open_clip's tokenizers read it, up to capitals.

    Broken encodings, curly quotes and control characters are mended, HTML entities replaced, and
    any white space is one blank.
    """
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(sentence))).split())


def one_spelling(pairs: pd.DataFrame, keys: pd.Series) -> pd.Series:
    """pair_id of every row: the hash of the first spelling among the rows with its key."""
    sentences = zip(pairs["negated"], pairs["affirmative"], strict=True)
    hashes = pd.Series([pair_hash(*both) for both in sentences], index=pairs.index, dtype="str")
    return hashes.groupby(keys, sort=False).transform("first").astype("str")


def without_capitals(pairs: pd.DataFrame) -> pd.Series:
    """What rows have in common whose sentences differ by capitals alone."""
    return (pairs["negated"] + "\n" + pairs["affirmative"]).str.lower()


def words(sentence: str) -> tuple[str, ...]:
    """Words and punctuation marks in lower case; "people's" and "no-one" are one word each."""
    return tuple(_WORD.findall(sentence.lower()))


def negation_of(caption: str, foil: str) -> Negation | None:
    """Which of the two is the negated sentence; None if "no" does not tell them apart."""
    in_caption, in_foil = words(caption).count(NEGATOR), words(foil).count(NEGATOR)
    if in_caption == in_foil:
        return None
    return "caption" if in_caption > in_foil else "foil"


def edit_of(negated: str, affirmative: str) -> Edit:
    """The word edit from affirmative to negated: one word at one place, or ``other``."""
    with_no, without = words(negated), words(affirmative)
    for place in (i for i, word in enumerate(with_no) if word == NEGATOR):
        for replaced, edit in EDITS.items():
            if with_no[:place] + replaced + with_no[place + 1 :] == without:
                return edit
    return "other"


def with_some(affirmative: str) -> str:
    """Insert "some" after a leading "There are"; any other sentence is unchanged."""
    return _THERE_ARE.sub(lambda start: f"{start[0]} some", affirmative, count=1)


def standard_pair(caption: str, foil: str) -> MinimalPair | str:
    """The item's sentences, cleaned, or the reason why they are no minimal pair."""
    caption, foil = cleaned(caption), cleaned(foil)
    for field, sentence in (("caption", caption), ("foil", foil)):
        if not sentence.strip():
            return f"{field} is empty"
    if words(caption) == words(foil):
        return SAME_SENTENCE
    negation = negation_of(caption, foil)
    if negation is None:
        return NO_NEGATOR
    negated, affirmative = (caption, foil) if negation == "caption" else (foil, caption)
    return MinimalPair(negation, negated, affirmative, edit_of(negated, affirmative))


def rephrased_pair(caption: str, foil: str) -> MinimalPair | str:
    """The item's sentences at equal length, or the reason why there are none."""
    pair = standard_pair(caption, foil)
    if isinstance(pair, str):
        return pair
    if not _THERE_BE.match(pair.caption):
        return NOT_THERE_BE
    if pair.edit == "insert_no" and _THERE_ARE.match(pair.caption):
        affirmative = with_some(pair.affirmative)
        edit = edit_of(pair.negated, affirmative)
        if edit != "some_to_no":
            return NEGATOR_ELSEWHERE
        pair = pair._replace(affirmative=affirmative, edit=edit)
    if len(words(pair.negated)) != len(words(pair.affirmative)):
        return UNEQUAL_LENGTH
    return pair


def minimal_pair(caption: str, foil: str, wording: str) -> MinimalPair | str:
    """The item's pair in one wording, or the reason why it has none.

    Raises:
        InputError: no such wording.
    """
    if wording == "standard":
        return standard_pair(caption, foil)
    if wording == "rephrased":
        return rephrased_pair(caption, foil)
    raise InputError(f"wording {wording!r} does not exist; choose one of {', '.join(WORDINGS)}")


def candidates(items: pd.DataFrame, wording: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Word every item, whatever the annotators said about it.

    Args:
        items: table ``items``.
        wording: ``standard`` or ``rephrased``.

    Returns:
        the tables ``candidates`` and ``rejected``; every item is in exactly one, in file order.
    """
    accepted: list[dict[str, Any]] = []
    rejected: list[dict[str, str]] = []
    rows: list[Any] = items.to_dict("records")
    for item in rows:
        pair = minimal_pair(item["caption"], item["foil"], wording)
        if not item["image_file"].strip():
            pair = "image_file is empty"
        if isinstance(item.get("reason"), str):
            pair = item["reason"]
        if isinstance(pair, str):
            rejected.append({"item_id": item["item_id"], "reason": pair})
        else:
            named = {c: getattr(pair, c) for c in ("caption", "foil")}
            accepted.append({**item, **pair._asdict(), **named})
    return candidate_table(accepted), text_frame(rejected, REASON_COLUMNS)


def candidate_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as the table ``candidates``; `pair_id` is that of a pair's first spelling."""
    votes = {column: "Int32" for column in CANDIDATE_COLUMNS if column.startswith("votes_")}
    table = text_frame(rows, CANDIDATE_COLUMNS).astype(votes)
    return table.assign(pair_id=one_spelling(table, without_capitals(table)))


def select(
    candidates: pd.DataFrame,
    rejected: pd.DataFrame,
    min_votes: int,
    missing: Mapping[str, str] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the candidates that enough annotators agreed with and whose image is at hand.

    Items nobody was asked about (null votes) are kept: a file without votes is not filtered.

    Args:
        candidates, rejected: tables of those names.
        min_votes: annotators who have to have chosen the caption (VALSE: 2 of 3).
        missing: image files that cannot be had, and why.

    Returns:
        the tables ``pairs`` and ``excluded``; every item is in exactly one.
    """
    doubted = (candidates["votes_caption"] < min_votes).fillna(False).astype(bool)
    fault = candidates["image_file"].map(missing or {})
    reason = ("no image: " + fault.astype("str")).where(fault.notna())
    reason = reason.mask(doubted, f"fewer than {min_votes} annotator votes for the caption")
    dropped = candidates[["item_id"]].assign(reason=reason)[reason.notna()]
    excluded = pd.concat([rejected[REASON_COLUMNS], dropped], ignore_index=True).astype("str")
    return candidates[reason.isna()].reset_index(drop=True), excluded
