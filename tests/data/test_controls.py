"""Negative controls: pictures dealt out anew, neutral sentences, and what they must keep."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_files import SHARED_VALSE

from negtrace.data.controls import (
    NEUTRAL,
    NO_NEUTRAL_WORD,
    NO_SLOT,
    neutral_sentence,
    neutral_swap,
    shuffled,
)
from negtrace.data.items import item_table
from negtrace.data.minimal_pair import MinimalPair
from negtrace.data.pairs import CANDIDATE_COLUMNS, candidates, select
from negtrace.data.readers.valse import read_valse
from negtrace.errors import InputError
from negtrace.models.alignment import Tokenizer, align
from negtrace.models.tower_shape import TowerShape

SMALL = Path(__file__).parents[1] / "samples" / "existence_small.json"
TWO_NEGATORS = "There are many cups and no cats."


def using(images: list[int]) -> pd.DataFrame:
    """Candidates of which item k uses image images[k]."""
    rows = [
        {
            "item_id": f"item{k}",
            "image_file": f"{image}.png",
            "caption": "There are no dogs." if k % 2 else f"There are dogs {k}.",
            "foil": "There are dogs." if k % 2 else f"There are no dogs {k}.",
        }
        for k, image in enumerate(images)
    ]
    return candidates(item_table(rows), "standard")[0]


def files(table: pd.DataFrame, missing: tuple[str, ...] = ()) -> pd.DataFrame:
    names = pd.Series(sorted(set(table["image_file"])), name="image_file", dtype="str")
    reason = [f"lost {name}" if name in missing else None for name in names]
    return names.to_frame().assign(reason=pd.Series(reason, dtype="str"))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=14), st.integers(0, 3))
def test_no_item_keeps_its_image_wherever_that_is_possible(images, seed):
    table = using(images)
    if max(images.count(image) for image in images) > len(images) / 2:
        with pytest.raises(InputError, match="share one image file"):
            shuffled(table, files(table), seed)
        return
    dealt = shuffled(table, files(table), seed)
    assert (dealt["image_file"] != table["image_file"]).all()
    assert sorted(dealt["image_file"]) == sorted(table["image_file"])
    others = [column for column in CANDIDATE_COLUMNS if column != "image_file"]
    pd.testing.assert_frame_equal(dealt[others], table[others])


def test_deal_depends_on_the_seed_and_not_on_the_order_of_rows():
    table = using(list(range(20)))
    deals = {
        seed: shuffled(table, files(table), seed).set_index("item_id")["image_file"]
        for seed in (0, 1)
    }
    backwards = shuffled(table[::-1], files(table), 0).set_index("item_id")["image_file"]
    assert backwards[deals[0].index].tolist() == deals[0].tolist()
    assert (deals[0] != deals[1]).any()


def test_every_other_image_is_dealt():
    """Among three items of different images there are two derangements."""
    table = using([0, 1, 2])
    deals = {tuple(shuffled(table, files(table), seed)["image_file"]) for seed in range(20)}
    assert deals == {("1.png", "2.png", "0.png"), ("2.png", "0.png", "1.png")}


def test_images_that_cannot_be_had_are_not_dealt():
    table = using([0, 1, 2, 3])
    catalogue = files(table, missing=("2.png",))
    dealt = shuffled(table, catalogue, 0)
    assert dealt.loc[2, "image_file"] == "2.png"
    assert set(dealt.drop(index=2)["image_file"]) == {"0.png", "1.png", "3.png"}
    none = pd.DataFrame(columns=["item_id", "reason"])
    missing = catalogue.dropna().set_index("image_file")["reason"].to_dict()
    assert select(dealt, none, 2, missing)[0]["item_id"].tolist() == ["item0", "item1", "item3"]


@pytest.mark.parametrize("missing", [("0.png",), ("0.png", "1.png")])
def test_fewer_than_two_images(missing):
    table = using([0, 1])
    with pytest.raises(InputError, match="more than half"):
        shuffled(table, files(table, missing), 0)


@pytest.mark.parametrize(
    ("negated", "affirmative", "neutral"),
    [
        ("There are no dogs here.", "There are dogs here.", "There are many dogs here."),
        ("There are no dogs.", "There are some dogs.", "There are many dogs."),
        ("There is no dog.", "There is a dog.", "There is the dog."),
        ("there is No apple .", "There is an apple.", "there is the apple ."),
        ("There are no trucks.", "There are a trucks.", "There are the trucks."),
        ("There are no cups and no cats.", "There are cups and no cats.", TWO_NEGATORS),
    ],
)
def test_neutral_word_in_the_negators_slot(negated, affirmative, neutral):
    assert neutral_sentence(negated, affirmative) == (neutral, "")


@pytest.mark.parametrize(
    ("negated", "affirmative", "reason"),
    [
        ("You see no people.", "You see people.", NO_SLOT),
        ("There are dogs with no collars.", "There are dogs with collars.", NO_SLOT),
        ("There are no cups and no cats.", "There are no cups and cats.", NO_SLOT),
        ("There are no stars.", "There is a red star.", NO_SLOT),
        ("There are no-one.", "There are one.", NO_SLOT),
        ("There are no dogs.", "We saw some dogs.", NO_SLOT),
        ("There are no dogs.", "There are dogs and cats.", NO_SLOT),
        ("There is no water.", "There is water.", NO_NEUTRAL_WORD),
        ("There is no water.", "There is some water.", NO_NEUTRAL_WORD),
        ("There are no dogs.", "There are two dogs.", NO_NEUTRAL_WORD),
    ],
)
def test_slots_without_a_neutral_word_are_refused(negated, affirmative, reason):
    assert neutral_sentence(negated, affirmative) == (None, reason)


def test_neutral_sentences_take_the_negated_ones_place():
    sentences = [
        ("a", "There are no dogs.", "There are dogs."),
        ("b", "You see cats.", "You see no cats."),
        ("c", "There is a bird.", "There is no bird."),
    ]
    items = item_table(
        {"item_id": i, "image_file": f"{i}.png", "caption": c, "foil": f, "votes_caption": 3}
        for i, c, f in sentences
    )
    accepted, rejected = neutral_swap(candidates(items, "rephrased")[0])
    assert rejected.empty  # the rephrased wording has left "You see" out already
    accepted, rejected = neutral_swap(candidates(items, "standard")[0])
    assert rejected.to_dict("records") == [{"item_id": "b", "reason": NO_SLOT}]
    assert accepted.columns.tolist() == CANDIDATE_COLUMNS
    used = ["item_id", "image_file", "negation", "negated", "affirmative", "caption", "foil"]
    many, the = "There are many dogs.", "There is the bird."
    assert accepted[used].to_numpy().tolist() == [
        ["a", "a.png", "caption", many, "There are dogs.", many, "There are dogs."],
        ["c", "c.png", "foil", the, "There is a bird.", "There is a bird.", the],
    ]
    assert accepted["edit"].tolist() == [NEUTRAL] * 2
    assert accepted["votes_caption"].tolist() == [3, 3]
    assert accepted["votes_foil"].isna().all()
    expected = MinimalPair("caption", many, "There are dogs.", "other").pair_id
    assert accepted["pair_id"].iloc[0] == expected


@pytest.mark.parametrize("wording", ["standard", "rephrased"])
def test_neutral_pairs_have_the_roles_of_the_real_ones(wording):
    """With CLIP's tokenizer every sentence keeps its length, roles and counterparts."""
    clip = open_clip.SimpleTokenizer()
    tokenizer = Tokenizer(
        lambda text: [clip.sot_token_id, *clip.encode(text), clip.eot_token_id],
        lambda token: clip.decoder[token].replace("</w>", ""),
        start_tokens=1,
        pad_id=0,
    )
    shape = TowerShape(8, 2, 1, 8, 77, 100_000, 8)
    real = candidates(read_valse(SMALL), wording)[0]
    neutral, rejected = neutral_swap(real)
    assert len(neutral) > 5
    assert sorted([*neutral["item_id"], *rejected["item_id"]]) == sorted(real["item_id"])
    real = real[real["item_id"].isin(neutral["item_id"])]
    columns = ["polarity", "position", "role", "counterpart"]
    tables = [align(t.assign(pair_id=t["item_id"]), tokenizer, shape) for t in (real, neutral)]
    pd.testing.assert_frame_equal(tables[0][columns], tables[1][columns])
    determiners = tables[1].query("polarity == 'negated' and role == 'determiner'")
    assert len(determiners) == len(neutral)
    assert set(determiners["token"]) == {"many", "the"}


@pytest.mark.skipif(not SHARED_VALSE.exists(), reason="VALSE's file is not here")
@pytest.mark.parametrize(("wording", "left_out"), [("standard", 16), ("rephrased", 0)])
def test_items_of_valse_that_have_no_neutral_swap(wording, left_out):
    accepted, rejected = neutral_swap(candidates(read_valse(SHARED_VALSE), wording)[0])
    assert (len(accepted), len(rejected)) == (517, left_out)
