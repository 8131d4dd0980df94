"""One correction for all maps of a model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_effect_sizes import study

from negtrace.statistics.effect_sizes import Options, effect_map
from negtrace.statistics.families import COLUMNS, joint_p, study_tests
from negtrace.statistics.map_values import CELL, ClusterSums
from negtrace.statistics.resampling import random_signs, sign_flip_tests

QUICK = Options(replicates=200, flips=500)


def sums_of(change: np.ndarray, pairs: list[str], known: bool = False) -> ClusterSums:
    cells = pd.DataFrame({"layer": range(change.shape[1])})
    n = np.ones(change.shape)
    return ClusterSums(np.array(pairs), cells, n, change, n, n, n, n * known)


def drawn(seed: int, pairs: int = 25, cells: int = 4, effect: float = 0.3) -> np.ndarray:
    return np.random.default_rng(seed).normal(effect, 1, (pairs, cells))


NAMES = [f"p{k:02}" for k in range(25)]


def test_one_map_is_a_family_of_its_own():
    change = drawn(0)
    (found,) = joint_p([sums_of(change, NAMES)], QUICK)
    np.testing.assert_array_equal(found, sign_flip_tests(change, QUICK.flips, QUICK.seed).p_fwer)


def test_the_family_of_two_maps_is_that_of_all_their_cells():
    a, b = drawn(0), drawn(1)
    found = np.concatenate(joint_p([sums_of(a, NAMES), sums_of(b, NAMES)], QUICK))
    whole = sign_flip_tests(np.hstack([a, b]), QUICK.flips, QUICK.seed).p_fwer
    np.testing.assert_array_equal(found, whole)
    alone = sign_flip_tests(a, QUICK.flips, QUICK.seed).p_fwer
    assert (found[:4] >= alone).all()
    assert (found[:4] > alone).any()


def test_repeating_a_map_costs_nothing():
    """The correlation of maps is kept: the same questions twice are not twice as many."""
    change = drawn(2)
    once = joint_p([sums_of(change, NAMES)], QUICK)[0]
    twice = joint_p([sums_of(change, NAMES), sums_of(3 * change, NAMES)], QUICK)
    np.testing.assert_array_equal(twice, [once, once])


def test_maps_of_some_of_the_pairs_flip_with_the_others():
    """By a loop over sign patterns of all pairs."""
    a, b = drawn(3), drawn(4, pairs=10)
    found = joint_p([sums_of(a, NAMES), sums_of(b, NAMES[5:15])], QUICK)
    scaled = a / np.sqrt((a**2).sum(0)), b / np.sqrt((b**2).sum(0))
    largest = [
        max(np.abs(signs @ scaled[0]).max(), np.abs(signs[5:15] @ scaled[1]).max())
        for signs in random_signs(25, QUICK.flips, QUICK.seed)
    ]
    for p, values in zip(found, scaled, strict=True):
        reached = [(np.array(largest) >= np.abs(v.sum()) - 1e-9).sum() for v in values.T]
        np.testing.assert_allclose(p, (1 + np.array(reached)) / (1 + QUICK.flips))


def test_known_and_unchanged_cells_are_no_part_of_it():
    change = drawn(5)
    alone = joint_p([sums_of(change, NAMES)], QUICK)[0]
    with_others = joint_p(
        [
            sums_of(change, NAMES),
            sums_of(change + 50, NAMES, known=True),
            sums_of(0 * change, NAMES),
        ],
        QUICK,
    )
    np.testing.assert_array_equal(with_others[0], alone)
    assert np.isnan(with_others[1]).all()
    assert (with_others[2] == 1).all()
    assert joint_p([], QUICK) == []


def test_study_tests_are_over_all_items_and_hold_for_every_map():
    sweep, scores, items = study(30, effects=(0.05, 0.0))
    other = sweep.assign(site="mlp_out")
    table = study_tests([(sweep, scores, items), (other, scores, items)], QUICK)
    assert table.columns.tolist() == COLUMNS
    maps = effect_map(sweep, scores, items, QUICK)
    maps = maps[maps["segment"] == "all"]
    first = table[table["sweep"] == 0]
    both = maps.merge(first, on=["negation", *CELL], validate="one_to_one")
    assert len(both) == len(maps) == len(first)
    assert both.loc[both["known"], "p_study"].isna().all()
    computed = both[~both["known"]]
    assert (computed["p_study"] >= computed["p_fwer"]).all()
    assert (computed["p_study"] > computed["p_fwer"]).any()


def test_no_sweep_no_test():
    assert study_tests([], QUICK).columns.tolist() == COLUMNS


@pytest.mark.parametrize("correct", [True, False])
def test_error_rate_over_three_maps_without_effect(correct):
    """At 5%, of 150 studies; each map for itself errs more often."""
    options = Options(flips=200)
    wrong = 0
    for seed in range(150):
        maps = [sums_of(drawn(1000 * seed + k, effect=0), NAMES) for k in range(3)]
        families = [maps] if correct else [[one] for one in maps]
        wrong += min(p.min() for family in families for p in joint_p(family, options)) <= 0.05
    rate, error = wrong / 150, 3.5 * np.sqrt(0.05 * 0.95 / 150)
    assert (abs(rate - 0.05) < error) == correct
