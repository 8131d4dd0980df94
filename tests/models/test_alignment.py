"""Alignment: hand-worked tables of roles and counterparts, and properties of the correspondence."""

from __future__ import annotations

from functools import cache

import open_clip
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from negtrace import vocabulary
from negtrace.errors import InputError
from negtrace.models import alignment
from negtrace.models.roles import align_pair
from negtrace.models.tower_shape import TowerShape

SOT, EOT = "<start_of_text>", "<end_of_text>"


@cache
def tokenizer() -> open_clip.SimpleTokenizer:
    return open_clip.SimpleTokenizer()


def encode(sentence: str) -> list[int]:
    return [
        tokenizer().sot_token_id,
        *tokenizer().encode(sentence),
        tokenizer().eot_token_id,
    ]


def decode(token: int) -> str:
    return tokenizer().decoder[token].replace("</w>", "")


def aligned(negated: str, affirmative: str, context_length: int = 77) -> pd.DataFrame:
    pairs = pd.DataFrame({"pair_id": ["p"], "negated": [negated], "affirmative": [affirmative]})
    return alignment.align(pairs, CLIP, tower_shape(context_length))


CLIP = alignment.Tokenizer(encode, decode, start_tokens=1, pad_id=0)


def tower_shape(context_length: int = 77, **conventions) -> TowerShape:
    return TowerShape(8, 2, 1, 8, context_length, 100_000, 8, **conventions)


def rows(table: pd.DataFrame, polarity: str) -> list[tuple[str, str, int | None]]:
    """(token, role, counterpart) of one sentence, in order of position."""
    part = table[table["polarity"] == polarity]
    assert list(part["position"]) == list(range(len(part)))
    others = [None if pd.isna(other) else int(other) for other in part["counterpart"]]
    return list(zip(part["token"], part["role"], others, strict=True))


def test_singular():
    table = aligned("There is no dog.", "There is a dog.")
    roles = ["SOT", "there", "be", "determiner", "subject_first", "full_stop", "EOT"]
    negated = [SOT, "there", "is", "no", "dog", ".", EOT]
    affirmative = [SOT, "there", "is", "a", "dog", ".", EOT]
    assert rows(table, "negated") == list(zip(negated, roles, range(7), strict=True))
    assert rows(table, "affirmative") == list(zip(affirmative, roles, range(7), strict=True))


def test_plural_with_a_trailing_phrase():
    table = aligned("There are no dogs in the picture.", "There are some dogs in the picture.")
    expected = [
        (SOT, "SOT", 0),
        ("there", "there", 1),
        ("are", "be", 2),
        ("no", "determiner", 3),
        ("dogs", "subject_first", 4),
        ("in", "subject_rest", 5),
        ("the", "subject_rest", 6),
        ("picture", "subject_rest", 7),
        (".", "full_stop", 8),
        (EOT, "EOT", 9),
    ]
    assert rows(table, "negated") == expected
    expected[3] = ("some", "determiner", 3)
    assert rows(table, "affirmative") == expected


def test_inserted_negator_has_no_counterpart():
    table = aligned("There are no dogs here.", "There are dogs here.")
    assert rows(table, "negated") == [
        (SOT, "SOT", 0),
        ("there", "there", 1),
        ("are", "be", 2),
        ("no", "determiner", None),
        ("dogs", "subject_first", 3),
        ("here", "subject_rest", 4),
        (".", "full_stop", 5),
        (EOT, "EOT", 6),
    ]
    assert rows(table, "affirmative") == [
        (SOT, "SOT", 0),
        ("there", "there", 1),
        ("are", "be", 2),
        ("dogs", "subject_first", 4),
        ("here", "subject_rest", 5),
        (".", "full_stop", 6),
        (EOT, "EOT", 7),
    ]


def test_subject_of_several_tokens():
    table = aligned("There are no surfboarders.", "There are surfboarders.")
    assert rows(table, "negated") == [
        (SOT, "SOT", 0),
        ("there", "there", 1),
        ("are", "be", 2),
        ("no", "determiner", None),
        ("surf", "subject_first", 3),
        ("boar", "subject_rest", 4),
        ("ders", "subject_rest", 5),
        (".", "full_stop", 6),
        (EOT, "EOT", 7),
    ]
    assert [role for _, role, _ in rows(table, "affirmative")] == [
        "SOT",
        "there",
        "be",
        "subject_first",
        "subject_rest",
        "subject_rest",
        "full_stop",
        "EOT",
    ]


def test_without_full_stop():
    table = aligned("There is no red star", "There is a red star")
    assert [role for _, role, _ in rows(table, "negated")] == [
        "SOT",
        "there",
        "be",
        "determiner",
        "subject_first",
        "subject_rest",
        "EOT",
    ]


def test_without_subject():
    table = aligned("There is no.", "There is.")
    negated = ["SOT", "there", "be", "determiner", "full_stop", "EOT"]
    assert [role for _, role, _ in rows(table, "negated")] == negated
    affirmative = [role for role in negated if role != "determiner"]
    assert [role for _, role, _ in rows(table, "affirmative")] == affirmative


def test_you_see():
    table = aligned("You see no people .", "You see people .")
    assert rows(table, "negated") == [
        (SOT, "SOT", 0),
        ("you", "shared_before", 1),
        ("see", "shared_before", 2),
        ("no", "edit", None),
        ("people", "shared_after", 3),
        (".", "shared_after", 4),
        (EOT, "EOT", 5),
    ]
    assert rows(table, "affirmative") == [
        (SOT, "SOT", 0),
        ("you", "shared_before", 1),
        ("see", "shared_before", 2),
        ("people", "shared_after", 4),
        (".", "shared_after", 5),
        (EOT, "EOT", 6),
    ]


def test_elephants():
    table = aligned("The elephants have no tusks.", "The elephants have tusks.")
    assert rows(table, "negated") == [
        (SOT, "SOT", 0),
        ("the", "shared_before", 1),
        ("elephants", "shared_before", 2),
        ("have", "shared_before", 3),
        ("no", "edit", None),
        ("tus", "shared_after", 4),
        ("ks", "shared_after", 5),
        (".", "shared_after", 6),
        (EOT, "EOT", 7),
    ]


def test_negator_at_the_start_with_other_capitals():
    table = aligned("No bottles have blue caps.", "bottles have blue caps.")
    assert rows(table, "negated") == [
        (SOT, "SOT", 0),
        ("no", "edit", None),
        ("bottles", "shared_after", 1),
        ("have", "shared_after", 2),
        ("blue", "shared_after", 3),
        ("caps", "shared_after", 4),
        (".", "shared_after", 5),
        (EOT, "EOT", 6),
    ]


def test_exchanged_token_of_another_sentence_corresponds():
    table = aligned("no apples can we see.", "a apples can we see.")
    assert rows(table, "negated")[:3] == [
        (SOT, "SOT", 0),
        ("no", "edit", 1),
        ("apples", "shared_after", 2),
    ]
    assert rows(table, "affirmative")[1] == ("a", "edit", 1)


def test_several_edited_spans():
    table = aligned("There are no dogs near red houses.", "There are dogs near two big houses.")
    assert rows(table, "negated") == [
        (SOT, "SOT", 0),
        ("there", "shared_before", 1),
        ("are", "shared_before", 2),
        ("no", "edit", None),
        ("dogs", "shared_between", 3),
        ("near", "shared_between", 4),
        ("red", "edit", None),
        ("houses", "shared_after", 7),
        (".", "shared_after", 8),
        (EOT, "EOT", 9),
    ]
    assert rows(table, "affirmative") == [
        (SOT, "SOT", 0),
        ("there", "shared_before", 1),
        ("are", "shared_before", 2),
        ("dogs", "shared_between", 4),
        ("near", "shared_between", 5),
        ("two", "edit", None),
        ("big", "edit", None),
        ("houses", "shared_after", 7),
        (".", "shared_after", 8),
        (EOT, "EOT", 9),
    ]


@pytest.mark.parametrize(
    ("negated", "affirmative", "there"),
    [
        ("There are no dogs.", "There are many dogs.", True),
        ("There are many dogs.", "There are some dogs.", True),  # a control without negator
        ("There is no dog.", "There is the dog.", True),
        ("There are no dogs.", "There is a dog.", False),
        ("There are dogs with no hats.", "There are dogs with hats.", False),
        ("There are red dogs.", "There are blue dogs.", False),
        ("Here are no dogs.", "Here are dogs.", False),
        ("There were no dogs.", "There were dogs.", False),
        ("There are no dogs.", "There are twenty - two dogs.", False),
        ("There are no two dogs.", "There are a cat.", False),
    ],
)
def test_which_schema(negated, affirmative, there):
    roles = set(aligned(negated, affirmative)["role"])
    assert ("determiner" in roles) == there
    assert ("edit" in roles) == (not there)
    assert roles <= set(vocabulary.THERE_ROLES if there else vocabulary.DIFF_ROLES)


def test_word_boundary_marks_of_other_tokenizers():
    vocabulary = ["<s>", "▁There", "▁is", "▁no", "▁a", "▁dog", ".", "</s>"]
    sentences = {"negated": [0, 1, 2, 3, 5, 6, 7], "affirmative": [0, 1, 2, 4, 5, 6, 7]}
    pairs = pd.DataFrame({"pair_id": ["p"], "negated": "negated", "affirmative": "affirmative"})
    made = alignment.Tokenizer(sentences.__getitem__, vocabulary.__getitem__, 1, 0)
    table = alignment.align(pairs, made, tower_shape())
    assert rows(table, "negated") == [
        ("<s>", "SOT", 0),
        ("▁There", "there", 1),
        ("▁is", "be", 2),
        ("▁no", "determiner", 3),
        ("▁dog", "subject_first", 4),
        (".", "full_stop", 5),
        ("</s>", "EOT", 6),
    ]


def test_tokenizer_without_start_token_and_punctuation():
    vocabulary = ["▁there", "▁are", "▁no", "▁some", "▁dogs", "</s>"]
    sentences = {"negated": [0, 1, 2, 4, 5], "affirmative": [0, 1, 3, 4, 5]}
    pairs = pd.DataFrame({"pair_id": ["p"], "negated": "negated", "affirmative": "affirmative"})
    made = alignment.Tokenizer(sentences.__getitem__, vocabulary.__getitem__, 0, 5)
    shape = tower_shape(8, causal=False, pool="last", pad_id=5)
    table = alignment.align(pairs, made, shape)
    assert rows(table, "negated") == [
        ("▁there", "there", 0),
        ("▁are", "be", 1),
        ("▁no", "determiner", 2),
        ("▁dogs", "subject_first", 3),
        ("</s>", "EOT", 4),
        ("<padding>", "padding", 5),
        ("<padding>", "padding", 6),
        ("<pooled>", "pooled", 7),
    ]
    assert list(table.loc[table["polarity"] == "negated", "token_id"])[5:] == [5, 5, 5]


def test_padding_of_sentences_of_different_length():
    pairs = [("There are no dogs.", "There are dogs.")]
    table = pd.DataFrame(pairs, columns=["negated", "affirmative"]).assign(pair_id="p")
    longer = rows(
        alignment.align(table, CLIP, tower_shape(9, causal=False, pool="first")), "negated"
    )
    assert [role for _, role, _ in longer[6:]] == ["EOT", "padding", "padding"]
    assert [other for *_, other in longer[6:]] == [5, 7, 8]
    shorter = rows(
        alignment.align(table, CLIP, tower_shape(9, causal=False, pool="first")), "affirmative"
    )
    assert [other for *_, other in shorter[5:]] == [6, None, 7, 8]


def test_class_token_follows_one_padding_token():
    table = pd.DataFrame(
        {"pair_id": ["p"], "negated": ["There are no dogs."], "affirmative": ["There are dogs."]}
    )
    aligned_pair = alignment.align(table, CLIP, tower_shape(9, pool="class"))
    found = rows(aligned_pair, "affirmative")
    assert [role for _, role, _ in found[-3:]] == ["EOT", "padding", "pooled"]
    assert [other for *_, other in found[-3:]] == [6, 7, 8]
    assert aligned_pair["token_id"].iloc[-1] == 99_999
    with pytest.raises(InputError, match="reads at most 6"):
        alignment.align(table, CLIP, tower_shape(7, pool="class"))


def test_table_of_several_pairs():
    pairs = pd.DataFrame(
        {
            "pair_id": ["z", "a", "z"],
            "negated": ["There is no dog.", "You see no cats.", "There is no dog."],
            "affirmative": ["There is a dog.", "You see cats.", "There is a dog."],
        }
    )
    calls: list[str] = []

    def counting_encode(sentence: str) -> list[int]:
        calls.append(sentence)
        return encode(sentence)

    table = alignment.align(pairs, CLIP._replace(encode=counting_encode), tower_shape())
    assert sorted(calls) == sorted(set(pairs["negated"]) | set(pairs["affirmative"]))
    order = table[["pair_id", "polarity"]].drop_duplicates()
    assert list(order.itertuples(index=False, name=None)) == [
        ("z", "negated"),
        ("z", "affirmative"),
        ("a", "negated"),
        ("a", "affirmative"),
    ]
    assert len(table) == 7 + 7 + 7 + 6
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == alignment.COLUMN_TYPES
    for (pair_id, polarity), part in table.groupby(["pair_id", "polarity"]):
        sentence = pairs.loc[pairs["pair_id"] == pair_id, polarity].iloc[0]
        assert list(part["token_id"]) == encode(sentence)


def test_no_pairs():
    empty = pd.DataFrame({"pair_id": [], "negated": [], "affirmative": []}, dtype="str")
    table = alignment.align(empty, CLIP, tower_shape())
    assert table.empty
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == alignment.COLUMN_TYPES


def test_sentence_longer_than_the_context():
    negated, affirmative = "There is no red dog.", "There is a red dog."
    assert len(aligned(negated, affirmative, context_length=8)) == 16
    with pytest.raises(InputError) as caught:
        aligned(negated, affirmative, context_length=7)
    message = str(caught.value)
    assert repr(negated) in message
    assert "8 tokens" in message
    assert "reads at most 7" in message
    assert "change the sentence" in message


def test_sentences_that_the_tokenizer_does_not_tell_apart():
    with pytest.raises(InputError, match="pair p: the tokenizer gives 'No dog' and 'no dog'"):
        aligned("No dog", "no  dog")


INNER = st.lists(st.integers(2, 5), max_size=9)


@given(INNER, INNER)
def test_roles_of_any_two_sequences(a, b):
    negated, affirmative = [0, *a, 1], [0, *b, 1]
    if negated == affirmative:
        return
    pair = align_pair(negated, affirmative, str)
    for tokens, roles in (
        (negated, pair.negated_roles),
        (affirmative, pair.affirmative_roles),
    ):
        assert len(roles) == len(tokens)
        assert (roles[0], roles[-1]) == ("SOT", "EOT")
        assert set(roles[1:-1]) <= set(vocabulary.DIFF_ROLES[1:-1])
    assert "edit" in pair.negated_roles + pair.affirmative_roles


SUBJECTS = st.sampled_from(["dogs", "surfboarders", "red fire-hydrants", "people's faces", "trees"])
PHRASES = st.sampled_from(["", " in the picture", " here", " with no hats"])


@given(SUBJECTS, PHRASES, st.sampled_from(["", "some ", "a ", "many "]), st.sampled_from(["", "."]))
def test_there_sentences_name_their_parts(subject, phrase, determiner, stop):
    table = aligned(
        f"There are no {subject}{phrase}{stop}", f"There are {determiner}{subject}{phrase}{stop}"
    )
    parts = {
        (polarity, role): list(part["token"])
        for (polarity, role), part in table.groupby(["polarity", "role"], sort=False)
    }
    body = [decode(token) for token in tokenizer().encode(subject + phrase)]
    for polarity, word in (("negated", "no"), ("affirmative", determiner.strip())):
        assert parts.get((polarity, "determiner"), []) == ([word] if word else [])
        assert parts[polarity, "subject_first"] == body[:1]
        assert parts.get((polarity, "subject_rest"), []) == body[1:]
        assert parts.get((polarity, "full_stop"), []) == ([stop] if stop else [])


@pytest.mark.parametrize("mark", ["\u2581", "\u0120", " ", ""])
def test_marks_of_word_boundaries_do_not_hide_a_word(mark):
    vocabulary = ["<s>", f"{mark}There", f"{mark}is", f"{mark}no", f"{mark}a", f"{mark}dog", "</s>"]
    sentences = {"negated": [0, 1, 2, 3, 5, 6], "affirmative": [0, 1, 2, 4, 5, 6]}
    pairs = pd.DataFrame({"pair_id": ["p"], "negated": "negated", "affirmative": "affirmative"})
    made = alignment.Tokenizer(sentences.__getitem__, vocabulary.__getitem__, 1, 0)
    table = alignment.align(pairs, made, tower_shape())
    roles = [role for _, role, _ in rows(table, "negated")]
    assert roles == ["SOT", "there", "be", "determiner", "subject_first", "EOT"]


def test_a_phrase_in_the_place_of_the_negator_is_no_determiner():
    """One token is; where it is two, roles say where the sentences differ."""
    table = aligned("There are no dogs.", "There are two big dogs.")
    assert [role for _, role, _ in rows(table, "affirmative")][3:5] == ["edit", "edit"]
    assert [role for _, role, _ in rows(table, "negated")][3] == "edit"
