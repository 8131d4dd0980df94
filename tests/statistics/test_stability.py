"""Ranks, overlap and halves: worked by hand, against loops, and what a half must not know."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from test_effect_sizes import KEYS, study

from negtrace.errors import InputError
from negtrace.statistics.effect_sizes import Options, effect_map
from negtrace.statistics.resampling import resamples
from negtrace.statistics.stability import (
    descending_ranks,
    half_of,
    highest,
    jaccard,
    jaccard_by_chance,
    overlap,
    ranks,
    split_halves,
)

QUICK = Options(replicates=200, flips=200)
EFFECTS = (0.9, 0.1, 0.12, -0.5)  # layers 2 to 5, after the known ones of 0 and 1


@pytest.fixture
def tables():
    """One role with four cells: a clear first, two that are hard to tell apart, a clear last."""
    sweep, scores, items = study(40, effects=EFFECTS)
    return sweep[(sweep["role"] == "EOT") & (sweep["layer"] > 1)], scores, items


def of_group(table: pd.DataFrame, negation: str = "all", segment: str = "correct") -> pd.DataFrame:
    chosen = (table["negation"] == negation) & (table["segment"] == segment)
    return table[chosen].set_index("layer")


def test_ranks_of_clear_and_of_near_equal_cells(tables):
    table = of_group(ranks(*tables, QUICK))
    assert table.loc[[2, 5], "rank"].tolist() == [1, 4]
    assert table.loc[[2, 5], ["rank_ci_low", "rank_ci_high"]].to_numpy().tolist() == [
        [1, 1],
        [4, 4],
    ]
    assert table.loc[[3, 4], ["rank_ci_low", "rank_ci_high"]].to_numpy().tolist() == [[2, 3]] * 2
    expected = of_group(effect_map(*tables, QUICK))
    pd.testing.assert_series_equal(table["ratio"], expected["ratio"])


def test_rank_intervals_are_those_of_a_loop_over_resampled_pairs():
    sweep, scores, items = study(10, effects=(0.3, 0.25, 0.35))
    sweep = sweep[(sweep["role"] == "EOT") & (sweep["layer"] > 1)]
    found = of_group(ranks(sweep, scores, items, QUICK), segment="all")
    rows = sweep.merge(scores, on=["item_id", "pair_id"])
    caption = rows["negation"] == "caption"
    rows["change"] = (rows["s_patched"] - rows["s_affirmative"]) * np.where(caption, 1, -1)
    change, d = (rows.pivot_table(v, "pair_id", "layer", "sum") for v in ("change", "d"))
    drawn = []
    for weights in resamples(10, QUICK.replicates, QUICK.seed).astype(int):
        pairs = np.repeat(np.arange(10), weights)
        ratio = change.iloc[pairs].sum() / d.iloc[pairs].sum()
        drawn.append(ratio.rank(ascending=False))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0, method="inverted_cdf")
    assert found["rank_ci_low"].tolist() == low.tolist()
    assert found["rank_ci_high"].tolist() == high.tolist()
    assert (found["rank_ci_low"] < found["rank_ci_high"]).any()


def test_equal_cells_share_a_rank_and_absent_ones_come_last():
    ratio = np.array([[0.5, 0.7, 0.5, np.nan]])
    assert descending_ranks(ratio).tolist() == [[2, 1, 2, 4]]
    assert highest(ratio, 2).tolist() == [[True, True, False, False]]


def test_jaccard_of_couples():
    chosen = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
    assert jaccard(chosen.astype(bool)).tolist() == [pytest.approx(1 / 3), 1.0]


@pytest.mark.parametrize(("cells", "k"), [(5, 1), (5, 2), (6, 3), (4, 3)])
def test_jaccard_by_chance_is_the_mean_over_all_sets(cells, k):
    sets = [set(chosen) for chosen in itertools.combinations(range(cells), k)]
    every = [len(a & b) / len(a | b) for a in sets for b in sets]
    assert jaccard_by_chance(cells, k) == pytest.approx(np.mean(every))


def test_overlap_is_full_for_a_clear_first_and_partial_where_cells_compete(tables):
    table = overlap(*tables, ks=(1, 2, 3, 4), options=QUICK)
    table = table[(table["negation"] == "all") & (table["segment"] == "correct")].set_index("k")
    assert table.index.tolist() == [1, 2, 3]  # four of four cells always overlap
    assert table.loc[[1, 3], "jaccard"].tolist() == [1, 1]
    second = table.loc[2]
    assert second[["jaccard_ci_low", "jaccard_ci_high"]].tolist() == [pytest.approx(1 / 3), 1]
    assert 1 / 3 < second["jaccard"] < 1
    assert (table["n_cells"] == 4).all()


def test_halves_are_disjoint_whole_pairs_in_every_group(tables):
    sweep, scores, items = tables
    table = split_halves(*tables, k=2, options=QUICK)
    everything = of_group(table, segment="all").iloc[0]
    assert everything[["n_clusters_chosen", "n_clusters"]].tolist() == [20, 20]
    first = half_of(sweep["pair_id"], QUICK.seed)
    tested = ~sweep["pair_id"].isin(first)
    expected = of_group(effect_map(sweep[tested], scores, items, QUICK))
    chosen = of_group(effect_map(sweep[~tested], scores, items, QUICK))
    found = of_group(table)
    assert found.index.tolist() == chosen["ratio"].nlargest(2).index.tolist()
    assert found["rank"].tolist() == [1, 2]
    pd.testing.assert_series_equal(
        found["ratio_chosen"], chosen.loc[found.index, "ratio"], check_names=False
    )
    for name in ("ratio", "ratio_ci_low", "ratio_ci_high", "difference", "p"):
        pd.testing.assert_series_equal(found[name], expected.loc[found.index, name])


def test_what_the_tested_half_says_has_no_part_in_the_choice(tables):
    sweep, scores, items = tables
    tested = ~sweep["pair_id"].isin(half_of(sweep["pair_id"], QUICK.seed))
    changed = sweep.copy()
    changed.loc[tested & (sweep["layer"] == 5), ["s_patched", "restoration"]] += 100
    before, after = (split_halves(s, scores, items, k=2, options=QUICK) for s in (sweep, changed))
    pd.testing.assert_frame_equal(before, after)
    assert 5 not in of_group(after).index


def test_correction_is_for_the_chosen_cells_only():
    sweep, scores, items = study(30, effects=(0.1, *[0.0] * 10))
    sweep = sweep[(sweep["role"] == "EOT") & (sweep["layer"] > 1)]
    table = split_halves(sweep, scores, items, k=1, options=QUICK)
    pd.testing.assert_series_equal(table["p"], table["p_fwer"], check_names=False)


@pytest.mark.parametrize("function", [ranks, overlap, split_halves])
def test_order_of_rows_does_not_matter(function, tables):
    sweep, scores, items = tables
    expected = function(sweep, scores, items, options=QUICK)
    keys = [key for key in (*KEYS, "k") if key in expected]
    found = function(sweep[::-1], scores[::-1], items, options=QUICK)
    found, expected = (t.sort_values(keys, ignore_index=True) for t in (found, expected))
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("function", [ranks, overlap, split_halves])
def test_nothing_to_rank_gives_an_empty_table(function, tables):
    sweep, scores, items = tables
    table = function(sweep.assign(eligible=False), scores, items, options=QUICK)
    assert table.empty
    assert list(table.columns) == list(function(*tables, options=QUICK).columns)


def test_a_group_within_one_half_is_left_out(tables):
    sweep, scores, items = tables
    only = items["pair_id"] == half_of(sweep["pair_id"], QUICK.seed)[0]
    items = items.assign(segment=np.where(only, "incorrect", "correct"))
    found = split_halves(sweep, scores, items, options=QUICK)
    assert set(found["segment"]) == {"correct", "all"}


def test_sets_of_no_cell_are_refused(tables):
    with pytest.raises(InputError, match="the 0 highest cells"):
        overlap(*tables, ks=(3, 0), options=QUICK)
    with pytest.raises(InputError, match="the 0 highest cells"):
        split_halves(*tables, k=0, options=QUICK)
