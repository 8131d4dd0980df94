"""A model beside others: every definition on tables that are worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from atlas_runs import OPTIONS, run_of

from negtrace.statistics.atlas import Sums, crossing, effective_number_of_heads, model_row


def sums(**cells: list[float]) -> Sums:
    """Changes of one resample, d being 1, by layer of each role."""
    table = pd.DataFrame(
        [(layer, role) for role, values in cells.items() for layer in range(len(values))],
        columns=["layer", "role"],
    )
    change = np.array([[value for values in cells.values() for value in values]])
    return Sums(table, change, np.ones_like(change))


@pytest.mark.parametrize(
    ("shares", "found"),
    [
        ([0.0, 1.0, 1.0], 0.25),  # half-way through the first of two blocks
        ([0.0, 0.25, 1.0], (1 + 1 / 3) / 2),
        ([0.0, 0.8, 0.3, 0.7, 1.0], 2.5 / 4),  # it is the last time that counts
        ([0.6, 0.7, 1.0], 0.0),
        ([0.0, 0.5, 1.0], 0.5),
        ([0.0, 1.0, 0.4], np.nan),
        ([0.0, np.nan, 1.0], np.nan),
    ],
)
def test_depth_is_where_lines_between_states_cross_one_half_for_good(shares, found):
    assert crossing(np.array([shares, shares])) == pytest.approx([found, found], nan_ok=True)


@pytest.mark.parametrize(
    ("effects", "found"), [([3, 1, 0, 0], 1.6), ([5, 0, 0, 0], 1), ([2, -2, 2, 2], 4)]
)
def test_the_effective_number_of_heads(effects, found):
    assert effective_number_of_heads(sums(all=effects))[0] == pytest.approx(found)


def test_a_row_of_a_model_without_noise():
    """Two blocks of two heads; the effect leaves the word in block 1 and is at EOT in block 2."""
    run = run_of(
        states={"determiner": [1, 0.25, 0], "full_stop": [0, 0.8, 0], "EOT": [0, 0.1, 1]},
        heads={(1, 1): 0.3, (1, 2): 0.1, (2, 1): 0.0, (2, 2): 0.0},
        wrong=2,
    )
    row = model_row(run, "negate", OPTIONS)
    assert row["leaves"] == pytest.approx((0.5 / 0.75) / 2)
    assert row["arrives"] == pytest.approx((1 + 0.4 / 0.9) / 2)
    assert row["effective_heads"] == pytest.approx(0.4**2 / (0.09 + 0.01))
    for name in ("leaves", "arrives", "effective_heads"):  # the same in every cluster
        assert row[f"{name}_ci_low"] == pytest.approx(row[name])
        assert row[f"{name}_ci_high"] == pytest.approx(row[name])
    assert row["accuracy"] == pytest.approx(10 / 12)
    assert row["accuracy_ci_low"] < 10 / 12 < row["accuracy_ci_high"]
    assert (row["layers"], row["n_heads"]) == (2, 4)
    assert (row["n_items"], row["n_pairs"], row["n_clusters"]) == (12, 12, 12)


def test_limits_hold_what_clusters_differ_in():
    run = run_of(states={"determiner": [1, 0, 0], "EOT": [0, 0.5, 1]}, heads={}, noise=0.2)
    row = model_row(run, "negate", OPTIONS)
    assert row["arrives_ci_low"] < row["arrives"] < row["arrives_ci_high"]
    assert row["arrives_ci_high"] - row["arrives_ci_low"] < 0.3


def test_without_an_effect_nothing_but_accuracy_is_given():
    run = run_of(states={"determiner": [1, 0, 0], "EOT": [0, 1, 1]}, heads={(1, 1): 1.0}, wrong=6)
    row = model_row(run, "negate", OPTIONS)
    assert row["accuracy"] == 0.5
    assert np.isnan([row["leaves"], row["arrives"], row["effective_heads"]]).all()


def test_a_site_that_was_not_swept_gives_nothing():
    run = run_of(states={"determiner": [1, 0], "EOT": [0, 1]}, heads={})
    row = model_row(run._replace(sweeps={}), "negate", OPTIONS)
    assert row["layers"] is None
    assert np.isnan([row["arrives"], row["effective_heads"]]).all()
