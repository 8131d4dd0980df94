"""Items -> worded minimal pairs, filtered by the annotators' votes.

An item has a true `caption` and a false `foil`.  Its dataset's contrast says which of the two is
the source, called *negated*, and which is the *affirmative* one (`contrasts.py`).  Every item ends
up in exactly one of two tables: its pair, or the reason why it has none.

Sentences are cleaned as open_clip's tokenizers do it first, and spellings that differ by capitals
alone are one pair; what a model's own tokenizer does not tell apart is found later (`reading`).

Wordings:
    standard: the sentences as they are.
    rephrased: only negations whose caption starts with "There is" or "There are".  Where "There are
        no X" differs from "There are X" by the negator alone, the affirmative becomes "There are
        some X"; both sentences then have the same number of words (Quantmeyer et al. 2024).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pandas as pd

from negtrace.data.contrasts import NEGATION, Contrast, described, paired, told_apart
from negtrace.data.items import text_frame
from negtrace.data.minimal_pair import INSERTED, SOME, MinimalPair, pair_hash
from negtrace.data.sentences import words
from negtrace.errors import InputError
from negtrace.vocabulary import WORDINGS

CANDIDATE_COLUMNS = [
    *("item_id", "pair_id", "image_file", "negation", "caption", "foil", "negated", "affirmative"),
    *("edit", "kind", "negator", "negator_at", "negated_subject_at", "affirmative_subject_at"),
    *("group", "control", "votes_caption", "votes_foil", "votes_other"),
]
REASON_COLUMNS = ["item_id", "reason"]

_THERE_BE = re.compile(r"\s*there\s+(is|are)\b", re.IGNORECASE)
_THERE_ARE = re.compile(r"\s*there\s+are\b", re.IGNORECASE)

NOT_NEGATION = "the rephrased wording is of negations; the dataset's contrast is another"
NOT_THERE_BE = 'rephrased wording needs a caption starting with "There is" or "There are"'
NEGATOR_ELSEWHERE = 'rephrased wording needs the negator directly after "There are"'
UNEQUAL_LENGTH = "rephrased wording needs sentences with the same number of words"


def one_spelling(pairs: pd.DataFrame, keys: pd.Series) -> pd.Series:
    """pair_id of every row: the hash of the first spelling among the rows with its key."""
    sentences = zip(pairs["negated"], pairs["affirmative"], strict=True)
    hashes = pd.Series([pair_hash(*both) for both in sentences], index=pairs.index, dtype="str")
    return hashes.groupby(keys, sort=False).transform("first").astype("str")


def without_capitals(pairs: pd.DataFrame) -> pd.Series:
    """What rows have in common whose sentences differ by capitals alone."""
    return (pairs["negated"] + "\n" + pairs["affirmative"]).str.lower()


def with_some(affirmative: str) -> str:
    """Insert "some" after a leading "There are"; any other sentence is unchanged."""
    return _THERE_ARE.sub(lambda start: f"{start[0]} some", affirmative, count=1)


def rephrased_pair(caption: str, foil: str, contrast: Contrast) -> MinimalPair | str:
    """The item's sentences at equal length, or the reason why there are none."""
    if contrast.kind != "negation":
        return NOT_NEGATION
    found = told_apart(caption, foil, contrast)
    if isinstance(found, str):
        return found
    pair, negator = found
    if not _THERE_BE.match(pair.caption):
        return NOT_THERE_BE
    pair = described(pair, negator, contrast)
    if pair.edit == INSERTED and _THERE_ARE.match(pair.caption):
        pair = described(pair._replace(affirmative=with_some(pair.affirmative)), negator, contrast)
        if pair.edit != SOME:
            return NEGATOR_ELSEWHERE
    if len(words(pair.negated)) != len(words(pair.affirmative)):
        return UNEQUAL_LENGTH
    return pair


def minimal_pair(
    caption: str,
    foil: str,
    wording: str,
    contrast: Contrast = NEGATION,
    source: str | None = None,
) -> MinimalPair | str:
    """The item's pair in one wording, or the reason why it has none.

    Args:
        source: caption or foil, for the contrast ``columns``.

    Raises:
        InputError: no such wording.
    """
    if wording == "standard":
        return paired(caption, foil, contrast, source)
    if wording == "rephrased":
        return rephrased_pair(caption, foil, contrast)
    raise InputError(f"wording {wording!r} does not exist; choose one of {', '.join(WORDINGS)}")


def candidates(
    items: pd.DataFrame, wording: str, contrast: Contrast = NEGATION
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Word every item, whatever the annotators said about it.

    Args:
        items: table ``items``.
        wording: ``standard`` or ``rephrased``.
        contrast: the dataset's.

    Returns:
        the tables ``candidates`` and ``rejected``; every item is in exactly one, in file order.
    """
    accepted: list[dict[str, Any]] = []
    rejected: list[dict[str, str]] = []
    rows: list[Any] = items.to_dict("records")
    for item in rows:
        pair = minimal_pair(item["caption"], item["foil"], wording, contrast, item.get("source"))
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
    """Rows as the table ``candidates``: one `pair_id` for all spellings of a pair."""
    votes = {column: "Int32" for column in CANDIDATE_COLUMNS if column.startswith("votes_")}
    table = text_frame(rows, CANDIDATE_COLUMNS).astype(votes)
    return table.assign(pair_id=one_spelling(table, without_capitals(table)))


def select(
    candidates: pd.DataFrame,
    rejected: pd.DataFrame,
    min_votes: int,
    missing: Mapping[str, str] | None = None,
    unwanted: pd.Series | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the wanted candidates that enough annotators agreed with and whose image is at hand.

    Items nobody was asked about (null votes) are kept: a file without votes is not filtered.

    Args:
        candidates, rejected: tables of those names.
        min_votes: annotators who have to have chosen the caption (VALSE: 2 of 3).
        missing: image files that cannot be had, and why.
        unwanted: for each candidate why the study leaves it out, or null (`unwanted`).

    Returns:
        the tables ``pairs`` and ``excluded``; every item is in exactly one.
    """
    doubted = (candidates["votes_caption"] < min_votes).fillna(False).astype(bool)
    fault = candidates["image_file"].map(missing or {})
    reason = ("no image: " + fault.astype("str")).where(fault.notna())
    reason = reason.mask(doubted, f"fewer than {min_votes} annotator votes for the caption")
    if unwanted is not None:
        reason = reason.mask(unwanted.notna(), unwanted)
    dropped = candidates[["item_id"]].assign(reason=reason)[reason.notna()]
    excluded = pd.concat([rejected[REASON_COLUMNS], dropped], ignore_index=True).astype("str")
    return candidates[reason.isna()].reset_index(drop=True), excluded


def unwanted(
    candidates: pd.DataFrame, items: Collection[str], where: Mapping[str, Collection[str]]
) -> pd.Series:
    """Why a study leaves each candidate out, or null.

    Args:
        candidates: table of that name.
        items: ids of those that are wanted; empty: all.
        where: for columns of the table the values that are wanted.
    """
    reason = pd.Series(None, index=candidates.index, dtype=object)
    if items:
        reason[~candidates["item_id"].isin(items)] = "not among filter.items"
    for column, values in where.items():
        found = candidates[column].astype(object)
        said = f"left out by filter.where, {column} (" + found.fillna("none").astype(str) + ")"
        reason = reason.mask(~found.isin(values), said)
    return reason


def reason_counts(excluded: pd.DataFrame) -> pd.Series:
    """Items by reason, the most frequent first; what a reason says in brackets is its item's own.

    Args:
        excluded: table of that name.
    """
    general = excluded["reason"].astype("str").str.replace(r" \(.*\)$", "", regex=True)
    return general.value_counts()
