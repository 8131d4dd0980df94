"""Donors' sweeps: who is patched from what, known cells, shards, and sweeps of the same by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import alignment_table, items_of, random_images

from negtrace.data.donor_pairs import transfer_partners, with_partners
from negtrace.patching.donor_sweeps import (
    COLUMNS,
    NEUTRAL,
    PARTNER,
    RANDOM,
    donations,
    donor_sweep,
)
from negtrace.patching.interventions import Intervention
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import scores, sentence_embeddings
from negtrace.patching.shards import in_order, take_shard
from negtrace.vocabulary import BASE_OF, DONORS, SOURCE_OF

SCALE = 20.0
SOT, THERE, ARE, NO, SOME, MANY, STOP, EOT = 58, 1, 2, 3, 4, 6, 5, 59


def sentence(word: int, *nouns: int) -> list[int]:
    return [SOT, THERE, ARE, word, *nouns, STOP, EOT]


PAIRS = [(sentence(NO, k), sentence(SOME, k)) for k in (10, 11, 12)]
PAIRS += [(sentence(NO, 20, k), sentence(SOME, 20, k)) for k in (21, 22)]
SWAPPED = [(sentence(MANY, k), sentence(SOME, k)) for k in (10, 11)]  # the others have none
KEY = ["item_id", "layer", "head", "position"]


class Study:
    def __init__(self, tiny) -> None:
        self.tower = tiny.tower
        self.alignment = alignment_table(PAIRS, self.tower.shape)
        self.placebos = alignment_table(SWAPPED, self.tower.shape)
        self.items = items_of(len(PAIRS), 2).assign(edit="some_to_no")
        self.images = random_images(self.items, self.tower.shape.embed_dim)
        self.scores = self.scored(self.alignment)

    def scored(self, alignment: pd.DataFrame) -> pd.DataFrame:
        items = self.items[self.items["pair_id"].isin(alignment["pair_id"])]
        return scores(
            items.reset_index(drop=True),
            sentence_embeddings(self.tower, alignment),
            self.images,
            SCALE,
        )

    def given(self, direction: str, site: str = "resid", donors=tuple(DONORS)) -> list:
        tables = (self.alignment, self.placebos, self.items)
        return list(donations(donors, site, direction, *tables, seed=1))

    def swept(self, site: str, direction: str, items=None, **options) -> pd.DataFrame:
        given = self.given(direction, site)
        items = self.items if items is None else items
        tables = (items, self.images, self.scores)
        return donor_sweep(self.tower, given, *tables, site, direction, 1, SCALE, **options)

    def by_hand(self, alignment, site, direction) -> pd.DataFrame:
        """A plain sweep of exchanged pairs with scores of their own."""
        theirs = self.scored(alignment)
        items = self.items[self.items["item_id"].isin(theirs["item_id"])].reset_index(drop=True)
        return sweep(self.tower, alignment, items, self.images, theirs, site, direction, SCALE)


@pytest.fixture
def study(causal) -> Study:
    return Study(causal)


def test_every_pair_has_one_source_of_each_donor(study):
    found = {
        direction: {
            (d.donor, d.source): set(d.alignment["pair_id"]) for d in study.given(direction)
        }
        for direction in ("negate", "affirm")
    }
    every = {f"pair{k}" for k in range(len(PAIRS))}
    assert found["negate"] == {
        ("placebo", NEUTRAL): {"pair0", "pair1"},
        ("placebo", RANDOM): {"pair2", "pair3", "pair4"},
        ("transfer", PARTNER): every,
    }
    assert found["affirm"] == {("placebo", RANDOM): every, ("transfer", PARTNER): every}


def test_a_study_may_have_one_donor_and_attention_weights_no_random_ones(study):
    assert [d.donor for d in study.given("negate", donors=["transfer"])] == ["transfer"]
    assert not study.given("negate", donors=[])
    assert [d.source for d in study.given("negate", "pattern")] == [NEUTRAL, PARTNER]
    assert [d.source for d in study.given("affirm", "pattern")] == [PARTNER]


@pytest.mark.parametrize("direction", ["negate", "affirm"])
@pytest.mark.parametrize("site", ["resid", "head", "attn_out"])
def test_each_part_is_the_sweep_of_the_exchanged_pairs(study, site, direction):
    table = study.swept(site, direction)
    assert table.columns.tolist() == COLUMNS
    partners = transfer_partners(study.alignment, study.items, 1)
    exchanged = with_partners(study.alignment, partners, SOURCE_OF[direction])
    expected = {PARTNER: study.by_hand(exchanged, site, direction)}
    noise = Intervention(site, donor="random", seed=1)
    expected[RANDOM] = study.by_hand(study.alignment, noise, direction)
    if direction == "negate":
        expected[NEUTRAL] = study.by_hand(study.placebos, site, direction)
    assert set(table["source"]) == set(expected)
    for source, rows in table.groupby("source"):
        both = rows.merge(expected[source], on=KEY, suffixes=("", "_expected"))
        assert len(both) == len(rows)
        np.testing.assert_allclose(both["s_patched"], both["s_patched_expected"], atol=1e-9)
        assert (both["known"] == both["known_expected"]).all()


def test_rows_are_those_of_the_real_sweep(study):
    tables = (study.alignment, study.items, study.images, study.scores)
    real = sweep(study.tower, *tables, "resid", "negate", SCALE)
    placebo = study.swept("resid", "negate").query("donor == 'placebo'")
    assert not placebo.duplicated(KEY).any()
    assert set(map(tuple, placebo[KEY].fillna(-1).to_numpy())) == set(
        map(tuple, real.loc[real["eligible"], KEY].fillna(-1).to_numpy())
    )


@pytest.mark.parametrize("direction", ["negate", "affirm"])
def test_known_cells_are_those_of_each_donor(study, direction):
    """At EOT of the last hidden state a copied run gives its own score, noise gives no run's."""
    table = study.swept("resid", direction).set_index("item_id")
    of_item = study.scores.set_index("item_id").loc[table.index]
    base, own = of_item[f"s_{BASE_OF[direction]}"], of_item[f"s_{SOURCE_OF[direction]}"]
    at_base = table["known"] & (table["s_patched"] == base)
    last = (table["layer"] == study.tower.shape.layers) & (table["role"] == "EOT")
    noise = table["source"] == RANDOM
    assert (last & noise).any()
    assert (table["known"] == (at_base | (last & ~noise) | first_of(table, NEUTRAL))).all()
    assert (
        table.loc[last | first_of(table, NEUTRAL), "s_patched"]
        != own[last | first_of(table, NEUTRAL)]
    ).all()
    before = table["position"] < 3
    assert (table.loc[before, "s_patched"] == base[before]).all()


def first_of(table: pd.DataFrame, source: str) -> pd.Series:
    """The exchanged word in hidden state 0, which makes the whole source sentence of a swap."""
    return (table["layer"] == 0) & (table["position"] == 3) & (table["source"] == source)


def test_base_scores_of_placebos_are_the_real_ones(study):
    swapped = study.scored(study.placebos).set_index("item_id")
    real = study.scores.set_index("item_id").loc[swapped.index]
    np.testing.assert_allclose(swapped["s_affirmative"], real["s_affirmative"], atol=1e-9)
    assert (swapped["s_negated"] - real["s_negated"]).abs().min() > 1e-6


@pytest.mark.parametrize("site", ["resid", "head"])
def test_shards_and_batches_make_no_difference(study, site):
    whole = study.swept(site, "negate")
    parts = [
        study.swept(site, "negate", take_shard(study.alignment, study.items, k, 2)[1])
        for k in (1, 2)
    ]
    assert all(len(part) for part in parts)
    gathered = in_order(pd.concat(parts, ignore_index=True), study.items)
    pd.testing.assert_frame_equal(whole, gathered, check_exact=False, atol=1e-9, rtol=0)
    small = study.swept(site, "negate", memory_gb=1e-9)
    pd.testing.assert_frame_equal(whole, small, check_exact=False, atol=1e-9, rtol=0)


def test_where_no_donor_gives_anything_the_table_is_empty(study):
    study.placebos = study.placebos[:0]
    table = study.swept("pattern", "negate", study.items[:0])
    assert table.empty
    assert table.columns.tolist() == COLUMNS
