"""Spread over items and pairs: by hand, and what an interval of the mean does not show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_effect_sizes import THRESHOLDS, scores_of, study, sweep_of

from negtrace.statistics.effect_sizes import Options, effect_map
from negtrace.statistics.groups import segments
from negtrace.statistics.spread import COLUMNS, same_sign, spread_map


def test_worked_by_hand():
    """Changes 2 of pair p, 1 and 3 of q, -0.5 of r."""
    items = pd.DataFrame(
        {"item_id": list("abcd"), "pair_id": list("pqqr"), "negation": ["caption", "foil"] * 2}
    )
    scores = scores_of(items, np.array([4.0, 2.0, 2.0, -2.0]), np.array([1.0, 5.0, 0.0, 7.0]))
    cells = items[["item_id"]].assign(layer=1, head=pd.NA, role="EOT")
    sweep = sweep_of(scores, cells.assign(restoration=[0.5, 0.5, 1.5, 0.25]), "negate")
    table = spread_map(sweep, scores, segments(scores, items, THRESHOLDS))
    assert table.columns.tolist() == COLUMNS
    row = table.set_index("negation").loc["all"]
    changes = [2, 1, 3, -0.5]
    assert row["difference"] == pytest.approx(np.mean(changes))
    assert row["sd_items"] == pytest.approx(np.std(changes, ddof=1))
    assert row["sd_pairs"] == pytest.approx(np.std([2, 2, -0.5], ddof=1))
    assert row[["item_q05", "item_q25", "item_q50", "item_q75", "item_q95"]].tolist() == [
        pytest.approx(q) for q in np.quantile(changes, [0.05, 0.25, 0.5, 0.75, 0.95])
    ]
    assert row["same_sign"] == pytest.approx(2 / 3)
    assert row[["n", "n_items", "n_pairs"]].tolist() == [4, 4, 3]


def test_all_of_it_in_half_of_the_pairs_is_not_half_of_it_in_all():
    sweep, scores, items = study(60, effects=(0.5, 0.5), seed=2)
    computed = ~sweep["known"]
    pair = sweep["pair_id"].str[1:].astype(int)
    scores = scores.assign(turn=np.where(scores["negation"] == "caption", 1.0, -1.0))
    rows = sweep.merge(scores[["item_id", "s_affirmative", "turn"]], on="item_id")
    change = np.where(rows["layer"] == 2, 1.0, 2.0 * (pair % 2)) * rows["turn"]
    sweep = sweep.assign(
        s_patched=np.where(computed, rows["s_affirmative"] + change, sweep["s_patched"])
    )
    table = spread_map(sweep, scores, items).query("negation == 'all' and role == 'EOT'")
    table = table.set_index("layer")
    means = effect_map(sweep, scores, items, Options(200, 200)).query(
        "negation == 'all' and segment == 'all' and role == 'EOT'"
    )
    assert table.loc[2, "same_sign"] == table.loc[3, "same_sign"] == 1
    assert table.loc[2, "sd_pairs"] == pytest.approx(0, abs=1e-9)
    assert table.loc[3, "sd_pairs"] == pytest.approx(1, abs=0.02)
    assert table.loc[3, ["item_q25", "item_q75"]].tolist() == [pytest.approx(0), pytest.approx(2)]
    np.testing.assert_allclose(table["difference"], means.set_index("layer")["difference"])
    assert table.loc[[0, 1], "known"].all()


@pytest.mark.parametrize(
    ("change", "share"),
    [([1, 2, -0.5], 2 / 3), ([-3, 1, 1], 1 / 3), ([1, 0, 1e-6], 1), ([0, 0, 0], np.nan)],
)
def test_share_of_pairs_with_the_sign_of_the_whole(change, share):
    np.testing.assert_allclose(same_sign(np.array(change, float)[:, None]), [share])


def test_nothing_to_spread():
    sweep, scores, items = study(8)
    assert spread_map(sweep.assign(eligible=False), scores, items).columns.tolist() == COLUMNS
