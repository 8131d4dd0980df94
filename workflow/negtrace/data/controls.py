"""Negative controls: datasets derived from a study's candidates, for the unchanged pipeline.

shuffled    every item gets another item's picture.  The sentences stay, so whatever depends on
            the sentences alone stays too; whatever depends on which picture goes with which pair
            must vanish.
neutral     the negator is swapped for a neutral word in the same slot.  The pictures stay; what
            remains is what exchanging any word there does.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from negtrace.data.items import text_frame
from negtrace.data.minimal_pair import MinimalPair
from negtrace.data.pairs import REASON_COLUMNS, candidate_table
from negtrace.data.sentences import words
from negtrace.errors import InputError
from negtrace.vocabulary import NEGATOR

NEUTRAL = "neutral"  # the edit of a neutral pair

# The neutral word, by the verb and by what stands in the negator's place in the affirmative.
NEUTRAL_WORDS: dict[tuple[str, tuple[str, ...]], str] = {
    ("are", ()): "many",
    ("are", ("some",)): "many",
    ("are", ("a",)): "the",
    ("are", ("an",)): "the",
    ("is", ("a",)): "the",
    ("is", ("an",)): "the",
}

_SLOT = re.compile(rf"(\s*there\s+(is|are)\s+){NEGATOR}\b", re.IGNORECASE)
_BEFORE_SLOT = 2  # words: "There is" or "There are"

NO_SLOT = 'neutral swap needs sentences that differ directly after "There is" or "There are" only'
NO_NEUTRAL_WORD = (
    'neutral swap needs "a" or "an" in the negator\'s place, or "some" or nothing after "There are"'
)


def shuffled(candidates: pd.DataFrame, image_files: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Deal the images out anew: a permutation over items in which none keeps its image file.

    Each image is used as often as before, and an item's new image depends on the seed and the
    item ids, not on the order of rows.  Items whose own image cannot be had keep it, and
    `pairs.select` leaves them out as in the real study.

    What must vanish is what a picture says about its own sentences: with as many items of either
    negation, accuracy is about one half and mean d about 0.  Within one negation neither need be:
    d is then plus (caption) or minus (foil) what the model prefers for pictures at large, and
    "There are no X" is true of most pictures, so accuracies of caption and foil items sum to
    about 1 instead.  Links of d to the picture (subject size) must vanish, too.

    The map of restoration need *not* vanish.  R compares scores of three sentence vectors for one
    picture, and any picture will do to read how far a patch moves the vector.  A map that stays
    shows where the sentence changes; only the difference between the two maps is owed to pictures
    that match.  Over both negations the ratio of means divides by about 0 here: read it by
    negation.

    Args:
        candidates: table ``candidates``.
        image_files: table of that name; a file with a reason cannot be had.
        seed: of the permutation.

    Returns:
        `candidates` with other values in `image_file`; rows in the same order.

    Raises:
        InputError: one image belongs to more than half of the items, so that some must keep it.
    """
    missing = image_files.loc[image_files["reason"].notna(), "image_file"]
    dealt = candidates[~candidates["image_file"].isin(missing)].sort_values("item_id")
    most = int(dealt["image_file"].value_counts().max()) if len(dealt) else 0
    if dealt.empty or 2 * most > len(dealt):
        raise InputError(
            f"control shuffled: {most} of {len(dealt)} items with an image share one image file, "
            "so not every item can get another; use a dataset in which no image belongs to more "
            "than half of the items"
        )
    # Items of one image in a row, all in random order: the row moved on by its longest run.
    rng = np.random.default_rng(seed)
    dealt = dealt.iloc[rng.permutation(len(dealt))]
    run, _ = pd.factorize(dealt["image_file"])
    dealt = dealt.iloc[np.argsort(run, kind="stable")]
    moved = pd.Series(np.roll(dealt["image_file"], most), index=dealt["item_id"])
    image = candidates["item_id"].map(moved).fillna(candidates["image_file"])
    return candidates.assign(image_file=image.astype("str"))


def neutral_swap(candidates: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Swap the negator for a neutral word in the same slot.

    "There are no dogs." becomes "There are many dogs.", beside "There are dogs." or "There are
    some dogs."; "There is no dog." becomes "There is the dog.", beside "There is a dog.".

    The neutral sentence takes the negated one's place in every column, so `negation`, `caption`
    and `foil` say which place it has, no longer which sentence is true: accuracy and segments of
    this dataset mean nothing.  Of all that patching finds here, nothing is owed to negation.

    Args:
        candidates: table ``candidates``.

    Returns:
        the tables ``candidates`` (edit `NEUTRAL`, `pair_id` of the new sentences) and ``rejected``
        (item_id, reason); every item is in exactly one, in the order of `candidates`.
    """
    accepted: list[dict[str, Any]] = []
    rejected: list[dict[str, str]] = []
    rows: list[Any] = candidates.to_dict("records")
    for item in rows:
        sentence, fault = neutral_sentence(item["negated"], item["affirmative"], item["control"])
        if sentence is None:
            rejected.append({"item_id": item["item_id"], "reason": fault})
            continue
        pair = MinimalPair(item["negation"], sentence, item["affirmative"], NEUTRAL, "other")
        named = {c: getattr(pair, c) for c in ("caption", "foil")}
        accepted.append({**item, **pair._asdict(), **named, "control": None})
    return candidate_table(accepted), text_frame(rejected, REASON_COLUMNS)


def neutral_sentence(
    negated: str, affirmative: str, control: object = None
) -> tuple[str | None, str]:
    """The negated sentence with a neutral word for its negator; or None and the reason.

    After "There is/are" the word depends on what the affirmative sentence has there.

    Args:
        control: the sentence that the dataset brings for this; of any other type: none.
    """
    if isinstance(control, str):
        return control, ""
    start = _SLOT.match(negated)
    with_no, without = words(negated), words(affirmative)
    before, after = with_no[:_BEFORE_SLOT], with_no[_BEFORE_SLOT + 1 :]
    slot = without[_BEFORE_SLOT : len(without) - len(after)]
    if not start or with_no != (*before, NEGATOR, *after) or without != before + slot + after:
        return None, NO_SLOT
    word = NEUTRAL_WORDS.get((before[1], slot))
    if word is None:
        return None, NO_NEUTRAL_WORD
    return f"{start[1]}{word}{negated[start.end() :]}", ""


def derived(
    kind: str,
    candidates: pd.DataFrame,
    rejected: pd.DataFrame,
    image_files: pd.DataFrame,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables ``candidates`` and ``rejected`` of a control, from those of its original.

    Args:
        kind: neutral or shuffled.
    """
    if kind == "shuffled":
        return shuffled(candidates, image_files, seed), rejected
    swapped, without = neutral_swap(candidates)
    return swapped, pd.concat([rejected, without], ignore_index=True)
