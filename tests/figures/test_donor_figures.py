"""Figures of donors: the placebo's numbers under a map, and each cell's transfer."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from test_figures import CTE, ROLES, SETTINGS, cte_table, drawn

from negtrace.figures import maps
from negtrace.figures.donors import transfer_map

PLACEBO = 0.1  # of the map's own values
SHARE = 0.7


def maps_axes(figure: plt.Figure) -> list[plt.Axes]:
    return [axis for axis in figure.axes if axis.collections and axis.get_title()]


@pytest.fixture
def own() -> pd.DataFrame:
    table = cte_table()
    limits = {"ratio": table["mean"], "ratio_ci_low": -1.0, "ratio_ci_high": 1.0}
    return table.assign(**limits, difference=10 * table["mean"], difference_ci_low=0.0).assign(
        difference_ci_high=1.0, p_fwer=np.nan
    )


@pytest.fixture
def donors(own) -> pd.DataFrame:
    placebo = own.assign(
        donor="placebo",
        ratio_donor=PLACEBO * own["ratio"],
        ratio_donor_ci_low=0.0,
        difference_donor=PLACEBO * own["difference"],
    )
    transfer = own.assign(donor="transfer", segment="all", share=SHARE)
    transfer.loc[transfer["role"] == "SOT", "share"] = np.nan
    return pd.concat([placebo, transfer], ignore_index=True)


@pytest.mark.parametrize(("effect", "scale"), [("ratio", 1), ("mean", 1), ("difference", 10)])
def test_the_placebo_stands_under_the_map_of_its_segment(own, donors, effect, scale):
    figure = maps.segment_map(own, SETTINGS | {"effect": effect}, "correct", donors)
    titles = [axis.get_title() for axis in maps_axes(figure)]
    assert titles == [
        "negation in foil (81 items)",
        "negation in caption (72 items)",
        "placebo (81 items)",
        "placebo (72 items)",
    ]
    grids = [drawn(axis) for axis in maps_axes(figure)]
    for negation, real, placebo in zip(("foil", "caption"), grids[:2], grids[2:], strict=True):
        expected = scale * np.array(CTE[negation])
        np.testing.assert_allclose(real[3:], expected)
        np.testing.assert_allclose(placebo[3:], PLACEBO * expected)
    plt.close(figure)


def test_a_placebo_whose_share_is_unbounded_is_no_number(own, donors):
    eot = donors["role"] == "EOT"
    donors.loc[eot, "ratio_donor_ci_low"] = np.nan
    figure = maps.segment_map(own, SETTINGS, "correct", donors)
    placebo = drawn(maps_axes(figure)[2])
    assert np.isnan(placebo[ROLES.index("EOT")]).all()
    assert np.isfinite(placebo[: ROLES.index("EOT")]).all()
    plt.close(figure)


@pytest.mark.parametrize("without", ["no table", "no placebo"])
def test_without_a_placebo_the_map_stands_alone(own, donors, without):
    given = None if without == "no table" else donors[donors["donor"] == "transfer"]
    figure = maps.segment_map(own, SETTINGS, "correct", given)
    assert len(maps_axes(figure)) == 2
    plt.close(figure)


def test_transfer_by_cell_and_none_where_there_is_no_share(donors):
    figure = transfer_map(donors, SETTINGS)
    for axis in maps_axes(figure):
        grid = drawn(axis)
        assert np.isnan(grid[ROLES.index("SOT")]).all()
        np.testing.assert_allclose(grid[1:], SHARE)
    plt.close(figure)


def test_without_partners_the_figure_says_so(donors):
    figure = transfer_map(donors[donors["donor"] == "placebo"], SETTINGS)
    assert "no pair has a partner" in figure.texts[0].get_text()
    plt.close(figure)
