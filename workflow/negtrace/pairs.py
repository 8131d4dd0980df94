"""VALSE items -> worded minimal pairs, filtered by the annotators' votes.

An item has a true `caption` and a false `foil`.  One of the two is the *negated* sentence: it says
the word "no" (in any case) more often than the other, the *affirmative* one.  Every item ends up in
exactly one of two tables: its pair, or the reason why it has none.

Wordings:
    standard: the sentences as they are.
    rephrased: only items whose caption starts with "There is" or "There are".  Where "There are
        no X" differs from "There are X" by the negator alone, the affirmative becomes "There are
        some X"; both sentences then have the same number of words (Quantmeyer et al. 2024).
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from negtrace.errors import InputError

Negation = Literal["caption", "foil"]
Edit = Literal["insert_no", "a_to_no", "some_to_no", "other"]

WORDINGS = ("standard", "rephrased")
NEGATOR = "no"
VOTES = ("caption", "foil", "other")
TEXT_FIELDS = ("image_file", "caption", "foil")
ITEM_COLUMNS = ["item_id", *TEXT_FIELDS, *(f"votes_{answer}" for answer in VOTES)]
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
        """First 12 hex digits of sha256(negated, newline, affirmative)."""
        return hashlib.sha256(f"{self.negated}\n{self.affirmative}".encode()).hexdigest()[:12]


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
    """The item's sentences as they are, or the reason why they are no minimal pair."""
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
    if not _THERE_BE.match(caption):
        return NOT_THERE_BE
    if pair.edit == "insert_no" and _THERE_ARE.match(caption):
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
        items: one row per item, columns as from `read_valse`.
        wording: ``standard`` or ``rephrased``.

    Returns:
        the tables ``candidates`` and ``rejected``; every item is in exactly one, in file order.
    """
    accepted: list[dict[str, Any]] = []
    rejected: list[dict[str, str]] = []
    for item in items[ITEM_COLUMNS].to_dict("records"):
        pair = minimal_pair(item["caption"], item["foil"], wording)
        if not item["image_file"].strip():
            pair = "image_file is empty"
        if isinstance(pair, str):
            rejected.append({"item_id": item["item_id"], "reason": pair})
        else:
            named = {c: getattr(pair, c) for c in ("caption", "foil", "pair_id")}
            accepted.append({**item, **pair._asdict(), **named})
    votes = {column: "Int32" for column in CANDIDATE_COLUMNS if column.startswith("votes_")}
    return (
        _text_frame(accepted, CANDIDATE_COLUMNS).astype(votes),
        _text_frame(rejected, REASON_COLUMNS),
    )


def select(
    candidates: pd.DataFrame, rejected: pd.DataFrame, min_votes: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the candidates that enough annotators agreed with.

    Items nobody was asked about (null votes) are kept: a file without votes is not filtered.

    Args:
        candidates, rejected: tables of those names.
        min_votes: annotators who have to have chosen the caption (VALSE: 2 of 3).

    Returns:
        the tables ``pairs`` and ``excluded``; every item is in exactly one.
    """
    valid = (candidates["votes_caption"] >= min_votes).fillna(True).astype(bool)
    reason = f"fewer than {min_votes} annotator votes for the caption"
    filtered = candidates.loc[~valid, ["item_id"]].assign(reason=reason)
    excluded = pd.concat([rejected[REASON_COLUMNS], filtered], ignore_index=True).astype("str")
    return candidates[valid].reset_index(drop=True), excluded


def read_valse(path: str | Path) -> pd.DataFrame:
    """Read a file in VALSE's JSON format: an object of items by identifier.

    Returns:
        item_id, image_file, caption, foil, votes_caption, votes_foil, votes_other; the votes
        (field ``mturk``) are null where an item has none.

    Raises:
        InputError: unreadable file, malformed or truncated JSON, an identifier used twice, an item
            that is no object, a field that is missing or of the wrong type.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text, object_pairs_hook=_without_duplicates)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text; replace it by a JSON file") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: not valid JSON at line {error.lineno}, column {error.colno} ({error.msg}); "
            "the file may be truncated: fetch it again or correct it there"
        ) from error
    except _DuplicateKeyError as error:
        raise InputError(
            f"{path}: {error.args[0]!r} occurs twice in one object; rename or remove one"
        ) from error
    if not isinstance(content, dict) or not content:
        raise InputError(
            f"{path}: holds no items; VALSE's format is an object "
            '{"item id": {"image_file": …, "caption": …, "foil": …}, …}'
        )
    rows = [_item_row(path, item_id, item) for item_id, item in content.items()]
    votes = {f"votes_{answer}": "Int32" for answer in VOTES}
    return _text_frame(rows, ITEM_COLUMNS).astype(votes)


class _DuplicateKeyError(Exception):
    """A JSON object names a key twice; json would silently keep the last."""


def _without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    unique: dict[str, Any] = {}
    for key, value in members:
        if key in unique:
            raise _DuplicateKeyError(key)
        unique[key] = value
    return unique


def _item_row(path: Path, item_id: str, item: Any) -> dict[str, Any]:
    """One item's row of the items table, its fields checked."""
    where = f"{path}: item {item_id!r}"
    if not isinstance(item, dict):
        raise InputError(f"{where} is {_json_type(item)}, not an object; correct or remove it")
    for field in TEXT_FIELDS:
        if field not in item:
            raise InputError(f"{where} has no field {field!r}; add the field or remove the item")
        if not isinstance(item[field], str):
            raise InputError(
                f"{where}: field {field!r} is {_json_type(item[field])}; it has to be a string"
            )
    return {
        "item_id": item_id,
        **{field: item[field] for field in TEXT_FIELDS},
        **{f"votes_{answer}": count for answer, count in _votes(where, item).items()},
    }


def _votes(where: str, item: dict[str, Any]) -> dict[str, int | None]:
    """Annotator votes by answer; all null if the item has no (or a null) ``mturk``."""
    mturk = item.get("mturk")
    if mturk is None:
        return dict.fromkeys(VOTES)
    if not isinstance(mturk, dict):
        raise InputError(
            f"{where}: field 'mturk' is {_json_type(mturk)}; give an object of vote counts "
            f"({', '.join(VOTES)}), or leave it out"
        )
    for answer in VOTES:
        # bool is a subclass of int, but true is no count
        if type(mturk.get(answer)) is not int or not 0 <= mturk[answer] < 2**31:
            raise InputError(
                f"{where}: field 'mturk' needs a whole number of votes for {answer!r}; "
                "correct it, or leave 'mturk' out"
            )
    return {answer: mturk[answer] for answer in VOTES}


def _json_type(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")


def _text_frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Rows as a frame of these columns; text columns are strings even if there is no row."""
    text = {column: "str" for column in columns if not column.startswith("votes_")}
    return pd.DataFrame(rows, columns=columns).astype(text)
