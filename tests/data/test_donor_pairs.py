"""Placebo and transfer pairs: who is whose donor, and what a sweep makes of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import alignment_table, items_of

from negtrace.data.donor_pairs import placebo_pairs, transfer_partners, with_partners
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import scores, sentence_embeddings
from negtrace.patching.sentences import sentence_pairs
from negtrace.statistics.donor_map import donor_map
from negtrace.statistics.effect_sizes import Options
from negtrace.statistics.groups import segments
from negtrace.vocabulary import SOURCE_OF

SCALE = 30.0
QUICK = Options(replicates=100, flips=100)
SOT, THERE, ARE, NO, SOME, STOP, EOT = 58, 1, 2, 3, 4, 5, 59


def sentence(word: int, *nouns: int) -> list[int]:
    return [SOT, THERE, ARE, word, *nouns, STOP, EOT]


PAIRS = [(sentence(NO, k), sentence(SOME, k)) for k in range(10, 16)]
PAIRS += [(sentence(NO, 20, k), sentence(SOME, 20, k)) for k in (21, 22)]
PAIRS += [(sentence(NO, 30, 31, 32), sentence(SOME, 30, 31, 32))]


def candidates_of(pairs: int) -> pd.DataFrame:
    return items_of(pairs, 2).assign(edit="some_to_no")


def fitting_images(items: pd.DataFrame, sentences: pd.DataFrame) -> pd.DataFrame:
    """Embeddings on the true sentence's side, so that every d is above 0."""
    by_sentence = sentences.set_index(["pair_id", "polarity"])["embedding"]
    vectors = []
    for pair, negation in zip(items["pair_id"], items["negation"], strict=True):
        vector = by_sentence[pair, "negated"] - by_sentence[pair, "affirmative"]
        vector = vector * (1 if negation == "caption" else -1)
        vectors.append(vector / np.linalg.norm(vector))
    return pd.DataFrame({"image_file": items["image_file"], "embedding": vectors})


def test_partners_are_a_derangement_within_each_kind(causal):
    alignment = alignment_table(PAIRS, causal.tower.shape)
    partners = transfer_partners(alignment, candidates_of(len(PAIRS)), seed=0)
    short, longer = {f"pair{k}" for k in range(6)}, {"pair6", "pair7"}
    assert set(partners) == short | longer  # pair8 is alone
    assert {partners[p] for p in short} == short
    assert partners["pair6"], partners["pair7"] == ("pair7", "pair6")
    assert all(pair != partner for pair, partner in partners.items())


def test_partners_depend_on_the_seed_alone(causal):
    alignment = alignment_table(PAIRS, causal.tower.shape)
    items = candidates_of(len(PAIRS))
    first = transfer_partners(alignment, items, seed=0)
    assert transfer_partners(alignment[::-1], items[::-1], seed=0) == first
    assert any(transfer_partners(alignment, items, seed) != first for seed in range(1, 4))


def test_an_edit_is_a_kind(causal):
    items = candidates_of(6)
    odd = items["pair_id"].isin(["pair1", "pair3"])
    items["edit"] = np.where(odd, "a_to_no", "some_to_no")
    partners = transfer_partners(alignment_table(PAIRS[:6], causal.tower.shape), items, seed=3)
    assert partners["pair1"] == "pair3"
    assert partners["pair3"] == "pair1"
    assert len(partners) == 6


def test_a_partner_has_other_sentences(causal):
    """Two pairs of one affirmative sentence are no partners where others are there."""
    twins = [(sentence(NO, k), sentence(SOME, k)) for k in (10, 11, 12)]
    twins += [(sentence(NO, 10), sentence(7, 10))]
    alignment = alignment_table(twins, causal.tower.shape)
    items = candidates_of(4)
    for seed in range(5):
        partners = transfer_partners(alignment, items, seed)
        tokens = {p.pair_id: p.negated.tokens for p in sentence_pairs(alignment)}
        assert len(partners) == 4
        assert all(tokens[a] != tokens[b] for a, b in partners.items())


def test_sentences_are_exchanged_in_one_polarity(causal):
    alignment = alignment_table(PAIRS, causal.tower.shape)
    partners = transfer_partners(alignment, candidates_of(len(PAIRS)), seed=0)
    before = {p.pair_id: p for p in sentence_pairs(alignment)}
    after = {p.pair_id: p for p in sentence_pairs(with_partners(alignment, partners, "negated"))}
    assert set(after) == set(partners)
    for pair, partner in partners.items():
        assert after[pair].affirmative == before[pair].affirmative
        assert after[pair].negated == before[partner].negated


@pytest.mark.parametrize("direction", ["negate", "affirm"])
@pytest.mark.parametrize("site", ["resid", "head"])
def test_a_sweep_with_partners(causal, direction, site):
    """Its scores are those of a sweep of the exchanged pairs, at the determiner that of its own."""
    shape = causal.tower.shape
    alignment, items = alignment_table(PAIRS, shape), candidates_of(len(PAIRS))
    sentences = sentence_embeddings(causal.tower, alignment)
    images = fitting_images(items, sentences)
    own = scores(items, sentences, images, SCALE)
    real = sweep(causal.tower, alignment, items, images, own, site, direction, SCALE)

    partners = transfer_partners(alignment, items, seed=1)
    source = SOURCE_OF[direction]
    kept = items[items["pair_id"].isin(list(partners))].reset_index(drop=True)
    exchanged = with_partners(alignment, partners, source)
    their = scores(kept, with_partners(sentences, partners, source), images, SCALE)
    swept = sweep(causal.tower, exchanged, kept, images, their, site, direction, SCALE)

    slow = sweep(
        causal.tower,
        exchanged,
        kept,
        images,
        scores(kept, sentence_embeddings(causal.tower, exchanged), images, SCALE),
        site,
        direction,
        SCALE,
    )
    np.testing.assert_allclose(swept["s_patched"], slow["s_patched"], atol=1e-9)
    limits = {"incorrect_below": -1.0, "correct_from": 1.0}
    donor = swept[swept["eligible"]].assign(donor="transfer")
    table = donor_map(real, own, donor, segments(own, items, limits), QUICK)
    table = table[table["segment"] == "all"]
    assert set(table["n_items"]) <= {8, 16, 2 * len(partners)}
    if site == "resid":
        generic = table[(table["layer"] == 0) & (table["role"] == "edit")]
        assert generic["negation"].tolist() == ["caption", "foil", "all"]
        limits = ["share", "share_ci_low", "share_ci_high"]
        np.testing.assert_allclose(generic[limits], 1, atol=1e-6)
        rest = table[(table["layer"] == shape.layers) & (table["role"] == "EOT")]
        assert rest["beyond"].abs().min() > 0.01


def test_placebo_pairs_keep_the_pair_and_its_affirmative_sentence():
    table = pd.DataFrame(
        [
            ("p", "There are no dogs.", "There are some dogs.", None),
            ("p", "There are no dogs.", "There are some dogs.", None),
            ("q", "There is no dog.", "There is a dog.", None),
            ("s", "No dog here.", "A dog here.", "One dog here."),
            ("r", "A dog without a tail.", "A dog with a tail.", None),
        ],
        columns=["pair_id", "negated", "affirmative", "control"],
    )
    found, rejected = placebo_pairs(table)
    assert found.to_numpy().tolist() == [
        ["p", "There are many dogs.", "There are some dogs."],
        ["q", "There is the dog.", "There is a dog."],
        ["s", "One dog here.", "A dog here."],
    ]
    assert rejected["pair_id"].tolist() == ["r"]
    assert "neutral swap needs" in rejected["reason"].item()
    nothing, every = placebo_pairs(table[4:])
    assert nothing.columns.tolist() == found.columns.tolist()
    assert len(every) == 1
