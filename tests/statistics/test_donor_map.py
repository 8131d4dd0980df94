"""Own and donors' effects: worked by hand, against planted ones, and sweeps that do not fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_effect_sizes import KEYS, THRESHOLDS, scores_of, study, sweep_of

from negtrace.errors import InputError
from negtrace.statistics.donor_map import COLUMNS, donor_map
from negtrace.statistics.effect_sizes import Options, effect_map
from negtrace.statistics.groups import segments

QUICK = Options(replicates=200, flips=500)


def donor_of(sweep: pd.DataFrame, scores: pd.DataFrame, change, donor="placebo") -> pd.DataFrame:
    """Table ``donor_sweep`` of the cells of a sweep, with other oriented changes (logits)."""
    items = scores.set_index("item_id").loc[sweep["item_id"]]
    negate = sweep["direction"].iloc[0] == "negate"
    base = items["s_affirmative" if negate else "s_negated"].to_numpy()
    sign = np.where((items["negation"] == "caption").to_numpy() == negate, 1, -1)
    kept = sweep.drop(columns=["restoration", "eligible"])
    return kept.assign(s_patched=base + sign * change, donor=donor, source="neutral swap")


def everywhere(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["negation"] == "all") & (table["segment"] == "all")]


@pytest.fixture(params=["negate", "affirm"])
def worked(request):
    """Four items: changes 2, 1, 3, -0.5 by the own source, 0.5, -1, 0.25, 1 by the donor."""
    items = pd.DataFrame(
        {
            "item_id": list("abcd"),
            "pair_id": list("pqqr"),
            "negation": ["caption", "foil", "caption", "foil"],
        }
    )
    scores = scores_of(items, np.array([4.0, 2.0, 2.0, -2.0]), np.array([1.0, 5.0, 0.0, 7.0]))
    cells = items[["item_id"]].assign(layer=1, head=pd.NA, role="EOT")
    sweep = sweep_of(scores, cells.assign(restoration=[0.5, 0.5, 1.5, 0.25]), request.param)
    donor = donor_of(sweep, scores, np.array([0.5, -1.0, 0.25, 1.0]))
    return sweep, scores, donor, segments(scores, items, THRESHOLDS)


def test_worked_by_hand(worked):
    table = donor_map(*worked, QUICK)
    assert table.columns.tolist() == COLUMNS
    assert set(table["donor"]) == {"placebo"}
    table = table.set_index(["negation", "segment"])
    overall = table.loc[("all", "all")]
    assert overall["difference"] == pytest.approx(5.5 / 4)
    assert overall["difference_donor"] == pytest.approx(0.75 / 4)
    assert overall["beyond"] == pytest.approx(4.75 / 4)
    assert overall["ratio"] == pytest.approx(5.5 / 6)
    assert overall["ratio_donor"] == pytest.approx(0.75 / 6)
    assert np.isnan(overall["share"])  # three pairs have no interval
    assert overall[["n", "n_items", "n_pairs"]].tolist() == [4, 4, 3]
    assert table.loc[("foil", "all"), "beyond"] == pytest.approx((1 - -1 + -0.5 - 1) / 2)
    incorrect = table.loc[("all", "incorrect")]
    assert incorrect["ratio_donor"] == pytest.approx(1 / -2)
    # What was selected by d of one of the two sources is no comparison of them.
    assert incorrect[["beyond", "beyond_ci_low", "share", "p", "p_fwer", "q_fdr"]].isna().all()


def test_donors_have_rows_of_their_own_in_the_vocabularys_order(worked):
    sweep, scores, donor, kinds = worked
    other = donor_of(sweep, scores, 1.0, "transfer")
    both = pd.concat([other, donor], ignore_index=True)
    table = donor_map(sweep, scores, both, kinds, QUICK)
    assert table["donor"].unique().tolist() == ["placebo", "transfer"]
    overall = everywhere(table).set_index("donor")["difference_donor"]
    assert overall.tolist() == [pytest.approx(0.75 / 4), pytest.approx(1.0)]


@pytest.mark.parametrize("nothing", [None, "empty"])
def test_without_donors_the_table_is_empty(worked, nothing):
    sweep, scores, donor, kinds = worked
    table = donor_map(sweep, scores, donor[:0] if nothing else None, kinds, QUICK)
    assert table.columns.tolist() == COLUMNS
    assert table.empty


def test_items_and_cells_that_the_donor_lacks_are_left_out(worked):
    sweep, scores, donor, kinds = worked
    more = pd.concat([sweep, sweep[:1].assign(layer=2)], ignore_index=True)
    table = everywhere(donor_map(more, scores, donor[donor["item_id"] != "b"], kinds, QUICK))
    assert table["layer"].tolist() == [1]
    assert table["difference"].item() == pytest.approx(4.5 / 3)
    assert table["beyond"].item() == pytest.approx((4.5 - 1.75) / 3)
    assert table[["n", "n_items", "n_pairs"]].to_numpy().tolist() == [[3, 3, 3]]


@pytest.mark.parametrize("direction", ["negate", "affirm"])
def test_against_a_donor_without_effect_the_own_map_remains(direction):
    """Estimates, intervals and tests of `effect_map`; roles of several tokens included."""
    sweep, scores, items = study(20, direction)
    table = donor_map(sweep, scores, donor_of(sweep, scores, 0.0), items, QUICK)
    expected = effect_map(sweep, scores, items, QUICK)
    kept = [*KEYS, "known", "ratio", "ratio_ci_low", "ratio_ci_high", "n", "n_items", "n_pairs"]
    pd.testing.assert_frame_equal(table[kept], expected[kept], check_dtype=False)
    tested = ["p", "p_fwer", "q_fdr"]
    for end in ("", "_ci_low", "_ci_high"):
        expected = expected.rename(columns={f"difference{end}": f"beyond{end}"})
        tested.append(f"beyond{end}")
    overall = table["segment"] == "all"
    pd.testing.assert_frame_equal(table.loc[overall, tested], expected.loc[overall, tested])
    assert (table["difference_donor"].abs() < 1e-9).all()


def test_a_donor_that_does_all_that_the_own_source_does_leaves_nothing():
    """Rows are matched by token, in whatever order they come."""
    sweep, scores, items = study(20)
    same = sweep.assign(donor="placebo")[::-1]
    table = donor_map(sweep, scores, same, items, QUICK)
    assert table["difference"].abs().max() > 0.5
    assert table["beyond"].abs().max() < 1e-9
    assert (table.loc[~table["known"] & (table["segment"] == "all"), "p"] == 1).all()


def test_a_bias_of_the_donor_cancels_over_both_negations_only():
    """Patching moves S up by 1 whatever the picture: oriented, by 1 or by -1."""
    sweep, scores, items = study(30)
    in_caption = scores.set_index("item_id").loc[sweep["item_id"], "negation"] == "caption"
    donor = donor_of(sweep, scores, np.where(in_caption, 1.0, -1.0))
    table = donor_map(sweep, scores, donor, items, QUICK)
    found = table[table["segment"] == "all"].set_index("negation")["difference_donor"]
    assert found["caption"].to_numpy() == pytest.approx(1)
    assert found["foil"].to_numpy() == pytest.approx(-1)
    assert found["all"].abs().max() < 0.5


def test_categories_of_stored_tables_need_not_agree(worked):
    sweep, scores, donor, kinds = worked
    tables = [
        sweep.astype({"item_id": "category", "role": "category", "site": "category"}),
        scores.astype({"negation": "category"}),
        donor[donor["item_id"] != "a"].astype({"item_id": "category", "donor": "category"}),
    ]
    assert donor_map(*tables, kinds, QUICK)["n_items"].max() == 3


def test_sweeps_without_a_value_in_common(worked):
    sweep, scores, donor, kinds = worked
    with pytest.raises(InputError, match="no item and cell in common"):
        donor_map(sweep, scores, donor.assign(direction="other"), kinds, QUICK)


def test_a_share_has_the_interval_of_a_ratio_and_none_where_nothing_is_restored():
    sweep, scores, items = study(40, effects=(0.5, 0.0))
    half = sweep.merge(scores[["item_id", "s_affirmative"]], on="item_id")
    half["s_patched"] = half["s_affirmative"] + 0.5 * (half["s_patched"] - half["s_affirmative"])
    donor = half[sweep.columns].assign(donor="transfer")
    table = everywhere(donor_map(sweep, scores, donor, items, QUICK)).set_index(["role", "layer"])
    carrying, empty = table.loc[("EOT", 2)], table.loc[[("EOT", 0), ("EOT", 3)]]
    limits = ["share", "share_ci_low", "share_ci_high"]
    assert carrying[limits].tolist() == [pytest.approx(0.5)] * 3
    assert empty[limits].isna().all(axis=None)
    assert table.loc[("EOT", 1), "share"] == pytest.approx(0.5)  # known to be all of d


def test_selection_shows_in_both_sources_and_not_beyond():
    """Two sources whose scores are exchangeable, and a segment that the own one's d selects."""
    beyond, shares = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        items = pd.DataFrame({"item_id": [f"i{k}" for k in range(200)]}).assign(
            pair_id=lambda t: "p" + t["item_id"],
            negation=lambda t: np.where(np.arange(len(t)) % 2, "caption", "foil"),
        )
        scores = scores_of(items, rng.normal(0, 2, 200), rng.normal(0, 1, 200))
        cells = items[["item_id"]].assign(layer=1, head=pd.NA, role="EOT", restoration=0.5)
        sweep = sweep_of(scores, cells, "negate")
        donor = donor_of(sweep, scores, 0.5 * rng.normal(0, 2, 200))
        table = donor_map(sweep, scores, donor, segments(scores, items, THRESHOLDS), QUICK)
        table = table[table["negation"] == "all"].set_index("segment")
        beyond.append(table.loc["all", "p"] <= 0.05)
        shares.append(table.loc["correct", "difference"])
    assert np.mean(shares) > 1  # what the own source seems to restore of nothing
    assert sum(beyond) <= 4


def test_a_share_is_of_an_effect_that_is_significant_over_the_map():
    sweep, scores, items = study(40, effects=(0.5, *np.linspace(0, 0.15, 12)))
    table = everywhere(donor_map(sweep, scores, donor_of(sweep, scores, 1.0), items, QUICK))
    own = everywhere(effect_map(sweep, scores, items, QUICK))
    bounded = (own["difference_ci_low"] > 0).to_numpy()  # cell by cell
    significant = (own["p_fwer"] <= 0.05).to_numpy()
    computed = ~table["known"].to_numpy()
    assert (computed & bounded & ~significant).any()
    assert (table["share"].notna().to_numpy() == significant)[computed].all()
