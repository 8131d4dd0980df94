"""What a model's tokenizer makes of candidates: one pair per token sequences, or a reason."""

from __future__ import annotations

import open_clip
import pandas as pd
import pytest
import torch
from test_alignment import CLIP, tower_shape

from negtrace.analyses.attention import negator_attention, selectivity
from negtrace.data.contrasts import Contrast
from negtrace.data.items import item_table
from negtrace.data.pairs import candidates
from negtrace.data.reading import (
    NO_NEGATOR_TOKEN,
    SAME_TOKENS,
    read_candidates,
    read_placebos,
)
from negtrace.data.sentences import cleaned
from negtrace.models.alignment import Tokenizer, looked_at
from negtrace.models.open_clip_tokenizers import as_tokenizer
from negtrace.models.open_clip_tower import text_tower


def candidate_pairs(*sentences: tuple[str, str], wording: str = "standard") -> pd.DataFrame:
    rows = (
        {"item_id": str(i), "image_file": "a.png", "caption": caption, "foil": foil}
        for i, (caption, foil) in enumerate(sentences)
    )
    table, rejected = candidates(item_table(rows), wording)
    assert rejected.empty, rejected["reason"].tolist()
    return table


LONG = (f"There are no {'big ' * 80}dogs.", f"There are {'big ' * 80}dogs.")

SPELLINGS = [
    ("There are no dogs.", "There are dogs."),
    ("there are no dogs.", "There are dogs."),
    ("There are no  dogs. ", " There are dogs.\n"),
    ("There are no&nbsp;dogs.", "There\u00a0are dogs."),
    ("\ufeffThere are no dogs.", "There are dogs."),
    ("THERE ARE NO DOGS.", "There are &#100;ogs."),
]


@pytest.mark.parametrize("wording", ["standard", "rephrased"])
def test_spellings_of_one_token_sequence_are_one_pair(wording):
    table = candidate_pairs(*SPELLINGS, wording=wording)
    assert table["pair_id"].nunique() == 1
    readable, alignment, excluded = read_candidates(table, CLIP, tower_shape())
    assert excluded.empty
    assert readable["pair_id"].nunique() == alignment["pair_id"].nunique() == 1
    # The first spelling names the pair: adding others moves no number.
    assert readable["pair_id"][0] == candidate_pairs(SPELLINGS[0], wording=wording)["pair_id"][0]
    reverse = candidate_pairs(SPELLINGS[0], SPELLINGS[0][::-1])
    assert reverse["pair_id"].nunique() == 1


def test_a_tokenizer_with_capitals_keeps_them_apart():
    def encode(sentence: str) -> list[int]:
        return [49406, *(sum(word.encode()) for word in cleaned(sentence).split()), 49407]

    careful = Tokenizer(encode, str, 1, 0)
    small = ("there are no dogs.", "there are dogs.")
    table = candidate_pairs(SPELLINGS[0], small, SPELLINGS[2])
    readable, _, _ = read_candidates(table, careful, tower_shape())
    assert readable["pair_id"].nunique() == 2
    assert readable["pair_id"][0] == readable["pair_id"][2] == table["pair_id"][0]


@pytest.mark.parametrize(
    "sentences",
    [
        ("There are no people’s faces.", "There are people's faces."),
        ("There are no\u2003dogs.", "There are dogs."),
        ("There are no dogs\u200b.", "There are dogs\u200b."),
        ("There are no &quot;dogs&quot;.", 'There are "dogs".'),
    ],
)
def test_the_tokenizers_view_counts_words(sentences):
    table = candidate_pairs(sentences, wording="rephrased")
    assert table["edit"].tolist() == ["some_to_no"]
    assert read_candidates(table, CLIP, tower_shape())[2].empty


@pytest.mark.parametrize(
    ("sentences", "reason"),
    [
        (
            tuple(f"There are {no}{'big ' * 80}dogs." for no in ("no ", "")),
            "87 tokens.* at most 77.*",
        ),
        (
            ("There is no <end_of_text> here.", "There is a <end_of_text> here."),
            "reads it out at its token.*",
        ),
    ],
)
def test_what_the_model_cannot_read_is_left_out_with_the_reason(sentences, reason):
    table = candidate_pairs(("There is no dog.", "There is a dog."), sentences)
    readable, alignment, excluded = read_candidates(table, CLIP, tower_shape())
    assert readable["item_id"].tolist() == ["0"]
    assert alignment["pair_id"].unique().tolist() == readable["pair_id"].tolist()
    assert excluded["item_id"].tolist() == ["1"]
    assert excluded["reason"].str.fullmatch(f".*{reason}").all()


def test_sentences_that_only_the_model_takes_for_one():
    deaf = Tokenizer(lambda s: CLIP.encode(s.replace("see no", "see")), CLIP.decode, 1, 0)
    table = candidate_pairs(("You see no dogs.", "You see dogs."), ("It has no c.", "It has a c."))
    readable, _, excluded = read_candidates(table, deaf, tower_shape())
    assert excluded.to_dict("records") == [{"item_id": "0", "reason": SAME_TOKENS}]
    assert readable["item_id"].tolist() == ["1"]


def test_nothing_that_can_be_read():
    readable, alignment, excluded = read_candidates(candidate_pairs(LONG), CLIP, tower_shape())
    assert readable.empty
    assert alignment.empty
    assert len(excluded) == 1


@pytest.mark.parametrize(
    ("sentences", "negator", "counterpart"),
    [
        (("A red car with no dog.", "A blue car with a dog."), 5, 5),
        (("There is no parking sign.", "There is a no-parking, parking sign."), 3, 4),
        (("No blue cat here.", "A blue cat here."), 1, 1),
        (("Noggins with no hat.", "Noggins with a hat."), 4, 4),
        (("A big cat sees no dog.", "A cat sees a dog."), 5, 4),
        (("Cats and no dogs.", "Cats and dogs."), 3, None),
        (("There is no dog.", "There is a dog."), 3, 3),
    ],
)
def test_the_negator_is_the_negator(sentences, negator, counterpart):
    readable, alignment, _ = read_candidates(candidate_pairs(sentences), CLIP, tower_shape())
    assert looked_at(alignment) == {readable["pair_id"][0]: [negator]}
    row = alignment[(alignment["polarity"] == "negated") & (alignment["position"] == negator)]
    assert row["token"].tolist() == ["no"]
    found = row["counterpart"].iloc[0]
    assert (None if pd.isna(found) else found) == counterpart


def test_all_tokens_of_a_negator():
    sentences = ("Neither cats nor dogs are here.", "Cats and dogs are here.")
    _, alignment, _ = read_candidates(
        candidate_pairs(sentences, ("A dog isn't here.", "A dog is here.")), CLIP, tower_shape()
    )
    shown = alignment[alignment["negator"]]
    assert shown.groupby("pair_id", sort=False)["token"].agg(list).tolist() == [
        ["neither", "nor"],
        ["isn", "'t"],
    ]
    assert set(shown["polarity"]) == {"negated"}
    assert list(looked_at(alignment).values()) == [[1, 3], [3, 4]]


def test_without_a_negator_the_edited_tokens_are_looked_at():
    rows = [
        {"item_id": "0", "image_file": "a.png", "caption": "A red cup.", "foil": "A blue cup."},
        {"item_id": "1", "image_file": "a.png", "caption": "A cup.", "foil": "A blue cup."},
    ]
    table, _ = candidates(item_table(rows), "standard", Contrast("caption"))
    _, alignment, excluded = read_candidates(table, CLIP, tower_shape())
    assert excluded.empty
    assert not alignment["negator"].any()
    assert list(looked_at(alignment).values()) == [[2], []]


def test_a_negator_whose_tokens_cannot_be_told():
    def joined(sentence: str) -> list[int]:
        ids = CLIP.encode(sentence)
        return [*ids[:-1], 7, ids[-1]] if sentence.endswith("no") else ids

    table = candidate_pairs(("You see no dogs.", "You see dogs."))
    _, _, excluded = read_candidates(table, CLIP._replace(encode=joined), tower_shape())
    assert excluded["reason"].tolist() == [NO_NEGATOR_TOKEN]


SUBJECTS = [
    ("A big dog is not present.", "A big dog is present.", "big dog", "big dog"),
    ("This image lacks a big dog.", "A big dog is here.", "big dog", "big dog"),
    ("No surfboarders here.", "Surfboarders are here.", "surf boar ders", "surf boar ders"),
    ("There are no dogs here.", "A dog is here.", "dogs", "dog"),
]


@pytest.mark.parametrize(("negated", "affirmative", "subject", "other"), SUBJECTS)
def test_the_subject_has_its_roles_in_both_sentences(negated, affirmative, subject, other):
    _, alignment, _ = read_candidates(candidate_pairs((negated, affirmative)), CLIP, tower_shape())
    for polarity, wanted in (("negated", subject), ("affirmative", other)):
        rows = alignment[alignment["polarity"] == polarity]
        named = rows[rows["role"].isin(["subject_first", "subject_rest"])]
        assert named["token"].tolist() == wanted.split()
        roles = ["subject_first", *["subject_rest"] * (len(named) - 1)]
        assert named["role"].tolist() == roles
        assert "edit" in set(alignment["role"])


def test_attention_looks_at_the_negator():
    torch.manual_seed(0)
    config = {"embed_dim": 8, "text_cfg": {"width": 16, "heads": 2, "layers": 2}}
    vision = {"image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "head_width": 16}
    model = open_clip.CLIP(vision_cfg=vision, **config).eval()
    tower = text_tower(model)
    tokenizer = as_tokenizer(open_clip.SimpleTokenizer())
    table = candidate_pairs(
        ("A red car with no dog.", "A blue car with a dog."),
        ("There is no parking sign.", "There is a no-parking, parking sign."),
    )
    _, alignment, _ = read_candidates(table, tokenizer, tower.shape)
    attention = negator_attention(tower, alignment)
    first = attention[attention["pair_id"] == table["pair_id"][0]]
    assert (first["after_negator"] == (first["query_position"] > 5)).all()
    # A causal tower's queries before the negator do not see it.
    assert (first.loc[first["query_position"] < 5, "a_negated"] == 0).all()
    assert (first.loc[first["query_position"] >= 5, "a_negated"] > 0).all()
    assert selectivity(attention)["selectivity"].notna().all()


def test_placebos_are_the_neutral_swaps_that_a_model_can_read():
    table = candidate_pairs(
        ("There are no dogs.", "There are dogs."),
        ("A dog with no tail.", "A dog with a tail."),
    )
    readable, alignment, _ = read_candidates(table, CLIP, tower_shape())
    found = read_placebos(readable, CLIP, tower_shape())
    assert found["pair_id"].unique().tolist() == [readable["pair_id"][0]]
    words = found[found["polarity"] == "negated"]["token"].tolist()
    assert words[1:5] == ["there", "are", "many", "dogs"]
    base = found["polarity"] == "affirmative"
    own = alignment["polarity"].eq("affirmative") & alignment["pair_id"].isin(found["pair_id"])
    kept = [name for name in found if name != "counterpart"]
    pd.testing.assert_frame_equal(
        found.loc[base, kept].reset_index(drop=True),
        alignment.loc[own, kept].reset_index(drop=True),
    )


def test_without_a_neutral_swap_there_are_no_placebos():
    table = candidate_pairs(("A dog with no tail.", "A dog with a tail."))
    readable, alignment, _ = read_candidates(table, CLIP, tower_shape())
    found = read_placebos(readable, CLIP, tower_shape())
    assert found.empty
    assert found.dtypes.equals(alignment.dtypes)
