"""Minimal pairs: negation, edits, wordings, filtering, and refusal of broken files."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from negtrace import vocabulary
from negtrace.data import pairs
from negtrace.data.items import VOTES
from negtrace.data.minimal_pair import MinimalPair
from negtrace.data.readers.valse import read_valse
from negtrace.data.sentences import words
from negtrace.errors import InputError

SMALL = Path(__file__).parents[1] / "samples" / "existence_small.json"
REAL = Path(__file__).parents[2].parent / "shared/valse/existence.json"
REAL_SHA256 = "b20fca52eba86c544083d423345a2e28e60e601ef61c56c9ac1c73a95a3a6d18"

# item -> negation, negated, affirmative, edit
STANDARD = {
    "plural_negated_caption": (
        "caption",
        "There are no dogs in the picture.",
        "There are dogs in the picture.",
        "insert_no",
    ),
    "plural_negated_foil": (
        "foil",
        "There are no dogs in the picture.",
        "There are dogs in the picture.",
        "insert_no",
    ),
    "singular_negated_caption": ("caption", "There is no dog.", "There is a dog.", "a_to_no"),
    "singular_negated_foil": ("foil", "There is no dog.", "There is a dog.", "a_to_no"),
    "singular_an": ("foil", "There is no apple.", "There is an apple.", "a_to_no"),
    "plural_some": ("foil", "There are no cats here.", "There are some cats here.", "some_to_no"),
    "plural_a": ("caption", "There are no trucks.", "There are a trucks.", "a_to_no"),
    "uncountable": ("foil", "There is no water.", "There is water.", "insert_no"),
    "multi_token_subject": (
        "caption",
        "There are no surfboarders shown.",
        "There are surfboarders shown.",
        "insert_no",
    ),
    "two_changes": ("foil", "There are no stars.", "There is a red star.", "other"),
    "two_negators": (
        "caption",
        "There are no dogs and no cats.",
        "There are dogs and no cats.",
        "insert_no",
    ),
    "negator_later": (
        "caption",
        "There are dogs with no collars.",
        "There are dogs with collars.",
        "insert_no",
    ),
    "capital_foil": ("foil", "No bottles have blue caps.", "bottles have blue caps.", "insert_no"),
    "capital_affirmative": (
        "caption",
        "no people's faces can you distinguish.",
        "People's faces can you distinguish.",
        "insert_no",
    ),
    "not_there": ("caption", "You see no people .", "You see people .", "insert_no"),
    "inner_negator": (
        "foil",
        "The elephants have no tusks.",
        "The elephants have tusks.",
        "insert_no",
    ),
    "few_votes": ("caption", "There are no spoons.", "There are spoons.", "insert_no"),
    "no_votes": ("caption", "There are no forks.", "There are forks.", "insert_no"),
}
STANDARD_REJECTED = {
    "same": "caption and foil are the same sentence",
    "same_but_case": "caption and foil are the same sentence",
    "no_negator": "no negator distinguishes the two sentences",
    "moved_negator": "scope: both sentences are negated (“no”)",
    "no_one_word": "no negator distinguishes the two sentences",
    "empty_foil": "foil is empty",
    "empty_image": "image_file is empty",
}
REPHRASED = {
    "plural_negated_caption": (
        "caption",
        "There are no dogs in the picture.",
        "There are some dogs in the picture.",
        "some_to_no",
    ),
    "plural_negated_foil": (
        "foil",
        "There are no dogs in the picture.",
        "There are some dogs in the picture.",
        "some_to_no",
    ),
    "singular_negated_caption": STANDARD["singular_negated_caption"],
    "singular_negated_foil": STANDARD["singular_negated_foil"],
    "singular_an": STANDARD["singular_an"],
    "plural_some": STANDARD["plural_some"],
    "plural_a": STANDARD["plural_a"],
    "multi_token_subject": (
        "caption",
        "There are no surfboarders shown.",
        "There are some surfboarders shown.",
        "some_to_no",
    ),
    "two_negators": (
        "caption",
        "There are no dogs and no cats.",
        "There are some dogs and no cats.",
        "some_to_no",
    ),
    "few_votes": ("caption", "There are no spoons.", "There are some spoons.", "some_to_no"),
    "no_votes": ("caption", "There are no forks.", "There are some forks.", "some_to_no"),
}
NOT_THERE = 'rephrased wording needs a caption starting with "There is" or "There are"'
UNEQUAL = "rephrased wording needs sentences with the same number of words"
REPHRASED_REJECTED = STANDARD_REJECTED | {
    "uncountable": UNEQUAL,
    "two_changes": UNEQUAL,
    "negator_later": 'rephrased wording needs the negator directly after "There are"',
    "capital_foil": NOT_THERE,
    "capital_affirmative": NOT_THERE,
    "not_there": NOT_THERE,
    "inner_negator": NOT_THERE,
}


@pytest.fixture(scope="module")
def small() -> pd.DataFrame:
    return read_valse(SMALL)


def reasons(table: pd.DataFrame) -> dict[str, str]:
    return dict(table[["item_id", "reason"]].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("wording", "expected", "refused"),
    [("standard", STANDARD, STANDARD_REJECTED), ("rephrased", REPHRASED, REPHRASED_REJECTED)],
)
def test_every_item_of_the_small_file(small, wording, expected, refused):
    accepted, rejected = pairs.candidates(small, wording)
    columns = ["negation", "negated", "affirmative", "edit"]
    found = {row[0]: row[1:] for row in accepted[["item_id", *columns]].itertuples(index=False)}
    assert found == expected
    assert reasons(rejected) == refused
    assert set(expected) | set(refused) == set(small["item_id"])


def test_candidates_columns(small):
    accepted, rejected = pairs.candidates(small, "rephrased")
    assert list(accepted.columns) == pairs.CANDIDATE_COLUMNS
    assert list(rejected.columns) == ["item_id", "reason"]
    row = accepted.set_index("item_id").loc["plural_negated_foil"]
    assert row["caption"] == row["affirmative"] == "There are some dogs in the picture."
    assert row["foil"] == row["negated"] == "There are no dogs in the picture."
    assert row["image_file"] == "handmade_2.jpg"
    assert (row["votes_caption"], row["votes_foil"], row["votes_other"]) == (2, 1, 0)
    text = "There are no dogs in the picture.\nThere are some dogs in the picture."
    assert row["pair_id"] == hashlib.sha256(text.encode()).hexdigest()[:12]


def test_items_with_the_same_sentences_share_a_pair(small):
    accepted, _ = pairs.candidates(small, "standard")
    ids = accepted.set_index("item_id")["pair_id"]
    assert ids["plural_negated_caption"] == ids["plural_negated_foil"]
    assert ids["singular_negated_caption"] == ids["singular_negated_foil"]
    assert ids.nunique() == len(ids) - 2


def test_rephrasing_twice_changes_nothing(small):
    once, _ = pairs.candidates(small, "rephrased")
    twice, rejected = pairs.candidates(once, "rephrased")
    assert rejected.empty
    pd.testing.assert_frame_equal(twice, once)


def test_rephrasing_keeps_the_capitals_of_a_lower_case_start():
    pair = pairs.minimal_pair("there are dogs", "there are no dogs", "rephrased")
    assert pair.affirmative == "there are some dogs"


def test_the_caption_decides_whether_an_item_is_rephrased():
    there, here = "There is a dog.", "Here is no dog."
    assert isinstance(pairs.minimal_pair(there, here, "rephrased"), MinimalPair)
    assert pairs.minimal_pair(here, there, "rephrased") == NOT_THERE


def test_some_is_not_inserted_into_a_longer_word():
    assert pairs.with_some("There aren't dogs.") == "There aren't dogs."
    assert pairs.with_some("There area dogs.") == "There area dogs."


def test_select_by_votes(small):
    accepted, rejected = pairs.candidates(small, "standard")
    kept, excluded = pairs.select(accepted, rejected, 2)
    assert reasons(excluded) == STANDARD_REJECTED | {
        "few_votes": "fewer than 2 annotator votes for the caption"
    }
    assert set(kept["item_id"]) == set(STANDARD) - {"few_votes"}  # no_votes is kept
    assert list(kept.columns) == list(accepted.columns)
    unanimous, _ = pairs.select(accepted, rejected, 3)
    assert set(kept["item_id"]) - set(unanimous["item_id"]) == {
        "plural_negated_foil",
        "singular_negated_caption",
        "capital_affirmative",
    }


def test_items_without_an_image_are_left_out_with_the_reason(small):
    accepted, rejected = pairs.candidates(small, "standard")
    gone = accepted["image_file"].iloc[0]
    kept, excluded = pairs.select(accepted, rejected, 2, {gone: "HTTP 404"})
    users = accepted.loc[accepted["image_file"] == gone, "item_id"]
    assert {reasons(excluded)[item] for item in users} == {"no image: HTTP 404"}
    everything, _ = pairs.select(accepted, rejected, 2)
    assert set(kept["item_id"]) == set(everything["item_id"]) - set(users)


def test_tables_without_rows_keep_their_columns(small):
    accepted, rejected = pairs.candidates(small.iloc[:0], "standard")
    kept, excluded = pairs.select(accepted, rejected, 2)
    assert list(kept.columns) == pairs.CANDIDATE_COLUMNS
    assert list(excluded.columns) == ["item_id", "reason"]
    assert len(kept) == len(excluded) == 0
    full, _ = pairs.candidates(small, "standard")
    assert kept.dtypes.to_dict() == full.dtypes.to_dict()


NOUNS = st.sampled_from(["dogs", "a dog", "no-go signs", "people's faces", "some cats"])
SENTENCES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["There are ", "there is ", "You see ", "", "There "]),
    st.sampled_from(["", "no ", "No ", "a ", "some ", "four "]),
    NOUNS,
    st.sampled_from([".", "", " .", " with no hats.", " here."]),
)
ITEMS = st.lists(
    st.tuples(SENTENCES, SENTENCES, st.sampled_from(["x.jpg", " "]), st.integers(-1, 3)),
    max_size=8,
)


@given(ITEMS, st.sampled_from(tuple(vocabulary.WORDINGS)), st.integers(0, 4))
def test_every_item_is_in_exactly_one_table(rows, wording, min_votes):
    items = pd.DataFrame(
        {
            "item_id": [str(i) for i in range(len(rows))],
            "image_file": [row[2] for row in rows],
            "caption": [row[0] for row in rows],
            "foil": [row[1] for row in rows],
            **{
                f"votes_{answer}": pd.array(
                    [None if row[3] < 0 else row[3] for row in rows], dtype="Int32"
                )
                for answer in VOTES
            },
        }
    )
    accepted, rejected = pairs.candidates(items, wording)
    kept, excluded = pairs.select(accepted, rejected, min_votes)
    for tables in ((accepted, rejected), (kept, excluded)):
        ids = Counter(item_id for table in tables for item_id in table["item_id"])
        assert ids == Counter(items["item_id"])
    assert rejected["reason"].str.len().gt(0).all()
    for row in accepted.itertuples():
        negated, affirmative = words(row.negated), words(row.affirmative)
        assert negated.count("no") > affirmative.count("no")
        assert {row.caption, row.foil} == {row.negated, row.affirmative}
        if wording == "rephrased":
            assert len(negated) == len(affirmative)


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    if not REAL.exists():
        pytest.skip("VALSE's existence.json is not in ../shared/valse beside the repository")
    assert hashlib.sha256(REAL.read_bytes()).hexdigest() == REAL_SHA256
    return read_valse(REAL)


@pytest.mark.parametrize(
    ("wording", "negations", "edits", "n_pairs"),
    [
        ("standard", {"caption": 256, "foil": 249}, {"insert_no": 423, "a_to_no": 82}, 299),
        ("rephrased", {"caption": 250, "foil": 240}, {"some_to_no": 410, "a_to_no": 80}, 284),
    ],
)
def test_published_counts(real, wording, negations, edits, n_pairs):
    kept, excluded = pairs.select(*pairs.candidates(real, wording), min_votes=2)
    assert len(real) == 534 == len(kept) + len(excluded)
    assert kept["negation"].value_counts().to_dict() == negations
    assert kept["edit"].value_counts().to_dict() == edits
    unordered = {frozenset(both) for both in zip(kept["negated"], kept["affirmative"], strict=True)}
    assert len(unordered) == kept["pair_id"].nunique() == n_pairs
    if wording == "rephrased":
        assert (kept["negated"].str.count(" ") == kept["affirmative"].str.count(" ")).all()


def test_unknown_wording(small):
    with pytest.raises(InputError, match=r"'rephrase' .* one of standard, rephrased"):
        pairs.candidates(small, "rephrase")


def test_items_are_chosen_by_id_and_by_what_their_pairs_have():
    table = pd.DataFrame(
        {
            "item_id": ["a", "b", "c", "d"],
            "image_file": "x.png",
            "negator": ["no", "not", None, "no"],
            "edit": ["some_to_no", "other", "other", "a_to_no"],
            "votes_caption": pd.array([3, 3, 3, 0], dtype="Int32"),
        }
    )
    none = pd.DataFrame(columns=["item_id", "reason"])

    def left(items=(), where=None):
        why = pairs.unwanted(table, items, where or {})
        kept, excluded = pairs.select(table, none, 2, unwanted=why)
        assert len(kept) + len(excluded) == len(table)
        return kept["item_id"].tolist(), dict(excluded.itertuples(index=False))

    assert left() == (["a", "b", "c"], {"d": "fewer than 2 annotator votes for the caption"})
    assert left(["b", "c"])[0] == ["b", "c"]
    assert left(["b"])[1]["a"] == "not among filter.items"
    kept, reasons = left(where={"negator": ["no", "never"]})
    assert kept == ["a"]
    assert reasons["b"] == "left out by filter.where, negator (not)"
    assert reasons["c"] == "left out by filter.where, negator (none)"
    assert left(["a", "b"], {"edit": ["other"]})[0] == ["b"]
