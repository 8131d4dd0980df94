"""Which cells a sentence may name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import effect_rows
from test_effect_sizes import study

from negtrace.statistics.credible import (
    credible,
    family,
    has_effect,
    over_all_items,
    with_placebo,
    with_study_tests,
)
from negtrace.statistics.donor_map import donor_map
from negtrace.statistics.effect_sizes import Options, effect_map
from negtrace.statistics.families import study_tests

QUICK = Options(replicates=200, flips=500)


@pytest.fixture
def tables():
    return study(40, effects=(0.6, 0.0, 0.05))


def test_a_ratio_without_limits_is_no_number():
    table = effect_rows((1, 0.3, 0.01), (2, 2.35, 0.01))
    table.loc[table["head"] == 2, "ratio_ci_high"] = np.nan
    rows = over_all_items(table)
    assert rows["mean"].tolist()[0] == 0.3
    assert np.isnan(rows["mean"].tolist()[1])
    assert set(rows["segment"]) == {"all"}
    assert has_effect(table)
    assert not has_effect(table[table["head"] == 2])


def test_a_cell_that_is_1_by_definition_is_no_effect():
    table = effect_rows((1, 1.0, 0.01))
    assert has_effect(table)
    assert not has_effect(table.assign(known=True))


def test_tables_without_tests_hide_nothing():
    table = effect_rows((1, 0.3, 0.01)).drop(columns="p_fwer")
    assert credible(table, 0.05).all()


def test_with_the_study_wide_tests_of_the_same_cells(tables):
    sweep, scores, items = tables
    table = effect_map(*tables, QUICK)
    tests = study_tests([tables, (sweep.assign(site="mlp_out"), scores, items)], QUICK)
    joined = with_study_tests(table, tests[tests["sweep"] == 0].sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(joined.drop(columns="p_study"), table)
    everything = joined["segment"] == "all"
    assert joined.loc[~everything | joined["known"], "p_study"].isna().all()
    computed = joined[everything & ~joined["known"]]
    assert (computed["p_study"] >= computed["p_fwer"]).all()
    assert (family(table), family(joined)) == ("the map", "all maps of the model")
    assert credible(joined, 0.05).sum() <= credible(table, 0.05)[everything].sum()


def test_with_a_placebo_that_does_as_much_or_nothing(tables):
    sweep, scores, items = tables
    table = effect_map(*tables, QUICK)
    base = sweep.merge(scores[["item_id", "s_affirmative"]], on="item_id")["s_affirmative"]
    for placebo, beyond in ((sweep, False), (sweep.assign(s_patched=base), True)):
        found = donor_map(sweep, scores, placebo.assign(donor="placebo"), items, QUICK)
        joined = with_placebo(table, found, 0.05)
        strong = (joined["layer"] == 2) & (joined["segment"] == "all")
        assert (joined.loc[strong, "exceeds_placebo"] == beyond).all()
        assert joined.loc[joined["segment"] != "all", "exceeds_placebo"].isna().all()
        assert (credible(joined, 0.05) & strong).any() == beyond
    absent = with_placebo(table, found[found["layer"] != 2], 0.05)
    lacking = (absent["layer"] == 2) & (absent["segment"] == "all")
    assert (absent.loc[lacking, "exceeds_placebo"] == False).all()  # noqa: E712
    assert lacking.any()


def test_without_a_placebo_significance_alone_counts(tables):
    sweep, scores, items = tables
    table = effect_map(*tables, QUICK)
    nothing = donor_map(sweep, scores, None, items, QUICK)
    transfer = donor_map(sweep, scores, sweep.assign(donor="transfer"), items, QUICK)
    for donors in (nothing, transfer):
        joined = with_placebo(table, donors, 0.05)
        assert joined["exceeds_placebo"].isna().all()
        assert (credible(joined, 0.05) == credible(table, 0.05)).all()
    assert credible(table, 0.05).any()


def test_a_placebo_that_works_the_other_way_is_exceeded_in_the_effects_direction_only(tables):
    sweep, scores, items = tables
    table = effect_map(*tables, QUICK)
    base = sweep.merge(scores[["item_id", "s_affirmative"]], on="item_id")["s_affirmative"]
    twice = sweep.assign(s_patched=base + 2 * (sweep["s_patched"] - base))
    found = donor_map(sweep, scores, twice.assign(donor="placebo"), items, QUICK)
    strong = (found["layer"] == 2) & (found["segment"] == "all")
    assert (found.loc[strong, "p_fwer"] <= 0.05).all()  # significantly less than the placebo
    exceeds = with_placebo(table, found, 0.05)["exceeds_placebo"]
    assert exceeds.dropna().size
    assert not exceeds.dropna().any()
