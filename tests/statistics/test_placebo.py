"""Placebo and transfer: worked by hand, against planted effects, and sweeps that do not fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_effect_sizes import KEYS, THRESHOLDS, scores_of, study, sweep_of

from negtrace.errors import InputError
from negtrace.statistics.effect_sizes import Options, effect_map
from negtrace.statistics.groups import segments
from negtrace.statistics.placebo import COLUMNS, placebo_map
from negtrace.statistics.transfer import transfer_map

QUICK = Options(replicates=200, flips=500)


def rescored(scores: pd.DataFrame, d: np.ndarray) -> pd.DataFrame:
    """Scores of the neutral swap: the same affirmative scores, and d of its own."""
    sign = np.where(scores["negation"] == "caption", 1, -1)
    return scores.assign(
        s_negated=scores["s_affirmative"] + sign * d,
        d=d,
        pair_id="neutral of " + scores["pair_id"],
    )


def control_of(sweep: pd.DataFrame, scores: pd.DataFrame, restoration: float, d: float):
    """Control in which every item has the same d and every cell the same restoration."""
    neutral = rescored(scores, np.full(len(scores), d))
    cells = sweep[["item_id", "layer", "head", "role"]].assign(restoration=restoration)
    return sweep_of(neutral, cells, sweep["direction"].iloc[0]), neutral


@pytest.fixture
def worked():
    """Four items: changes 2, 1, 3, -0.5 of the negation, 0.5, -1, 0.25, 1 of the neutral swap."""
    items = pd.DataFrame(
        {
            "item_id": list("abcd"),
            "pair_id": list("pqqr"),
            "negation": ["caption", "foil", "caption", "foil"],
        }
    )
    scores = scores_of(items, np.array([4.0, 2.0, 2.0, -2.0]), np.array([1.0, 5.0, 0.0, 7.0]))
    neutral = rescored(scores, np.array([1.0, -1.0, 0.5, 2.0]))
    cells = items[["item_id"]].assign(layer=1, head=pd.NA, role="EOT")
    real = cells.assign(restoration=[0.5, 0.5, 1.5, 0.25])
    control = cells.assign(restoration=[0.5, 1.0, 0.5, 0.5])
    return items, scores, real, neutral, control


@pytest.mark.parametrize("direction", ["negate", "affirm"])
def test_worked_by_hand(worked, direction):
    items, scores, real, neutral, control = worked
    table = placebo_map(
        sweep_of(scores, real, direction),
        scores,
        sweep_of(neutral, control, direction),
        neutral,
        segments(scores, items, THRESHOLDS),
        QUICK,
    )
    assert table.columns.tolist() == COLUMNS
    table = table.set_index(["negation", "segment"])
    everything = table.loc[("all", "all")]
    assert everything["difference"] == pytest.approx(5.5 / 4)
    assert everything["difference_placebo"] == pytest.approx(0.75 / 4)
    assert everything["specific"] == pytest.approx(4.75 / 4)
    assert everything["ratio"] == pytest.approx(5.5 / 6)
    assert everything["ratio_placebo"] == pytest.approx(0.75 / 6)
    assert everything[["n", "n_items", "n_pairs"]].tolist() == [4, 4, 3]
    assert table.loc[("foil", "all"), "specific"] == pytest.approx((2 - 1.5) / 2)
    # Segments are those of the negation: item d is incorrect by its d of -2, not by its 2.
    incorrect = table.loc[("all", "incorrect")]
    assert incorrect["ratio_placebo"] == pytest.approx(1 / -2)
    # What was selected by d of one of the two sources is no comparison of them.
    assert incorrect[["specific", "specific_ci_low", "p", "p_fwer", "q_fdr"]].isna().all()


def test_items_and_cells_that_one_study_lacks_are_left_out(worked):
    items, scores, real, neutral, control = worked
    second = real[real["item_id"] == "a"].assign(layer=2)
    table = placebo_map(
        sweep_of(scores, pd.concat([real, second]), "negate"),
        scores,
        sweep_of(neutral, control[control["item_id"] != "b"], "negate"),
        neutral[neutral["item_id"] != "b"],
        segments(scores, items, THRESHOLDS),
        QUICK,
    )
    everything = table[(table["negation"] == "all") & (table["segment"] == "all")]
    assert everything["layer"].tolist() == [1]
    assert everything["difference"].item() == pytest.approx(4.5 / 3)
    assert everything["specific"].item() == pytest.approx((4.5 - 1.75) / 3)
    assert everything[["n", "n_items", "n_pairs"]].to_numpy().tolist() == [[3, 3, 3]]


@pytest.mark.parametrize("direction", ["negate", "affirm"])
def test_against_a_swap_without_effect_the_negations_own_map_remains(direction):
    """Estimates, intervals and tests of `effect_map`; roles of several tokens included."""
    sweep, scores, items = study(20, direction)
    neutral_sweep, neutral = control_of(sweep, scores, restoration=0.0, d=1.0)
    table = placebo_map(sweep, scores, neutral_sweep, neutral, items, QUICK)
    expected = effect_map(sweep, scores, items, QUICK)
    kept = [*KEYS, "known", "ratio", "ratio_ci_low", "ratio_ci_high", "n", "n_items", "n_pairs"]
    pd.testing.assert_frame_equal(table[kept], expected[kept])
    tested = ["p", "p_fwer", "q_fdr"]
    for end in ("", "_ci_low", "_ci_high"):
        expected = expected.rename(columns={f"difference{end}": f"specific{end}"})
        tested.append(f"specific{end}")
    everything = table["segment"] == "all"
    pd.testing.assert_frame_equal(table.loc[everything, tested], expected.loc[everything, tested])
    assert (table["difference_placebo"].abs() < 1e-9).all()


def test_a_swap_that_does_all_that_the_negation_does_leaves_nothing_specific():
    sweep, scores, items = study(20)
    control = rescored(scores, scores["d"].to_numpy())
    table = placebo_map(sweep, scores, sweep[::-1], control, items, QUICK)
    assert table["difference"].abs().max() > 0.5
    # Token k of a role goes with token k: in reversed order values differ, their sums do not.
    assert table["specific"].abs().max() < 1e-9
    assert (table.loc[~table["known"] & (table["segment"] == "all"), "p"] == 1).all()


def test_a_bias_of_the_swap_cancels_over_both_negations_only():
    """Patching moves S(neutral) up by 1 whatever the picture: oriented, by 1 or by -1."""
    sweep, scores, items = study(30)
    control = rescored(scores, np.where(scores["negation"] == "caption", 2.0, -2.0))
    cells = sweep[["item_id", "layer", "head", "role"]].assign(restoration=0.5)
    table = placebo_map(sweep, scores, sweep_of(control, cells, "negate"), control, items, QUICK)
    neutral = table[table["segment"] == "all"].set_index("negation")["difference_placebo"]
    assert neutral["caption"].to_numpy() == pytest.approx(1)
    assert neutral["foil"].to_numpy() == pytest.approx(-1)
    assert neutral["all"].abs().max() < 0.5


def test_pairs_are_those_of_the_real_study(worked):
    items, scores, real, neutral, control = worked
    apart = neutral.assign(pair_id=neutral["item_id"])
    table = placebo_map(
        sweep_of(scores, real, "negate"),
        scores,
        sweep_of(apart, control, "negate"),
        apart,
        segments(scores, items, THRESHOLDS),
        QUICK,
    )
    assert table["n_pairs"].max() == 3


def test_categories_of_stored_tables_need_not_agree(worked):
    items, scores, real, neutral, control = worked
    chosen = items["item_id"] != "a"
    tables = [
        sweep_of(scores, real, "negate").astype({"item_id": "category", "role": "category"}),
        scores.astype({"negation": "category"}),
        sweep_of(neutral[chosen], control[chosen], "negate").astype({"item_id": "category"}),
        neutral.astype({"pair_id": "category"}),
    ]
    table = placebo_map(*tables, segments(scores, items, THRESHOLDS), QUICK)
    assert table["n_items"].max() == 3


def test_studies_without_a_value_in_common(worked):
    items, scores, real, neutral, control = worked
    sweeps = sweep_of(scores, real, "negate"), sweep_of(neutral, control, "affirm")
    with pytest.raises(InputError, match="no item and cell in common"):
        placebo_map(
            sweeps[0], scores, sweeps[1], neutral, segments(scores, items, THRESHOLDS), QUICK
        )


@pytest.mark.parametrize("column", ["s_affirmative", "negation"])
def test_a_control_of_another_study_is_refused(worked, column):
    items, scores, real, neutral, control = worked
    other = neutral.copy()
    other.loc[2, column] = {"s_affirmative": 9.0, "negation": "foil"}[column]
    with pytest.raises(InputError, match="item c has other scores"):
        placebo_map(
            sweep_of(scores, real, "negate"),
            scores,
            sweep_of(neutral, control, "negate"),
            other,
            segments(scores, items, THRESHOLDS),
            QUICK,
        )


def test_transfer_worked_by_hand(worked):
    items, scores, real, neutral, control = worked
    table = transfer_map(
        sweep_of(scores, real, "negate"),
        scores,
        sweep_of(neutral, control, "negate"),
        neutral,
        segments(scores, items, THRESHOLDS),
        QUICK,
    ).set_index("negation")
    everything = table.loc["all"]
    assert everything["difference"] == pytest.approx(5.5 / 4)
    assert everything["difference_transfer"] == pytest.approx(0.75 / 4)
    assert everything["ratio_transfer"] == pytest.approx(0.75 / 6)
    assert np.isnan(everything["transfer"])  # three pairs have no interval


def test_transfer_has_the_interval_of_a_ratio_and_none_where_nothing_is_restored():
    sweep, scores, items = study(40, effects=(0.5, 0.0))
    half = sweep.merge(scores[["item_id", "s_affirmative"]], on="item_id")
    half["s_patched"] = half["s_affirmative"] + 0.5 * (half["s_patched"] - half["s_affirmative"])
    table = transfer_map(sweep, scores, half[sweep.columns], scores, items, QUICK)
    table = table[table["negation"] == "all"].set_index(["role", "layer"])
    carrying, empty = table.loc[("EOT", 2)], table.loc[("EOT", 0)]
    limits = ["transfer", "transfer_ci_low", "transfer_ci_high"]
    assert carrying[limits].tolist() == [pytest.approx(0.5)] * 3
    assert empty[limits].isna().all()


def test_selection_shows_in_the_placebo_and_not_in_the_specific_effect():
    """Two sources whose scores are exchangeable, and a segment that the real one's d selects."""
    specific, shares = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        items = pd.DataFrame({"item_id": [f"i{k}" for k in range(200)]}).assign(
            pair_id=lambda t: "p" + t["item_id"],
            negation=lambda t: np.where(np.arange(len(t)) % 2, "caption", "foil"),
        )
        scores = scores_of(items, rng.normal(0, 2, 200), rng.normal(0, 1, 200))
        other = rescored(scores, rng.normal(0, 2, 200))
        cells = items[["item_id"]].assign(layer=1, head=pd.NA, role="EOT", restoration=0.5)
        tables = sweep_of(scores, cells, "negate"), scores, sweep_of(other, cells, "negate"), other
        table = placebo_map(*tables, segments(scores, items, THRESHOLDS), QUICK)
        table = table[table["negation"] == "all"].set_index("segment")
        specific.append(table.loc["all", "p"] <= 0.05)
        shares.append(table.loc["correct", "difference"])
    assert np.mean(shares) > 1  # what the real source seems to restore of nothing
    assert sum(specific) <= 4
