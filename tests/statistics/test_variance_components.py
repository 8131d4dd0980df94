"""Variance components of crossed groupings, by hand and against what made the values."""

from __future__ import annotations

import numpy as np
import pytest

from negtrace.statistics.variance_components import component_intervals, components


def test_two_by_two_by_hand():
    """Values 0, 2 / 4, 10 of templates (rows) and subjects (columns)."""
    values = np.array([[0.0], [2.0], [4.0], [10.0]])
    template, subject = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    found = components(values, template, subject)
    # Half the mean squared difference: neither (0-10, 2-4) 26, same template (0-2, 4-10) 10,
    # same subject (0-4, 2-10) 20.
    assert found.first[0] == pytest.approx(26 - 10)
    assert found.second[0] == pytest.approx(26 - 20)
    assert found.rest[0] == pytest.approx(26 - 16 - 6)
    assert found.share[0] == pytest.approx(16 / 22)


def crossed(rng, templates, subjects, between, within, rest, repeats=1):
    template, subject, _ = (grid.ravel() for grid in np.mgrid[:templates, :subjects, :repeats])
    y = (
        between * rng.normal(size=templates)[template]
        + within * rng.normal(size=subjects)[subject]
        + rest * rng.normal(size=template.size)
    )
    return y, template, subject


@pytest.mark.parametrize(("between", "within"), [(2.0, 0.5), (0.0, 1.0)])
def test_estimates_are_unbiased_also_where_values_are_missing(between, within):
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        y, template, subject = crossed(rng, 8, 10, between, within, 0.7, repeats=2)
        kept = rng.random(len(y)) < np.where(template < 4, 0.9, 0.5)
        found.append(np.stack(components(y[kept, None], template[kept], subject[kept]))[:3, 0])
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert np.all(np.abs(np.mean(found, axis=0) - [between**2, within**2, 0.49]) < 4 * error)


def test_intervals_hold_the_truth_often_enough():
    rng = np.random.default_rng(1)
    held = []
    for _ in range(120):
        y, template, subject = crossed(rng, 12, 16, 1.0, 1.0, 1.0)
        low, high = component_intervals(y[:, None], template, subject)
        held.append([low.second[0] <= 1 <= high.second[0], low.share[0] <= 0.5 <= high.share[0]])
        assert 0 <= low.share[0] <= high.share[0] <= 1
    assert np.mean(held, axis=0).min() > 0.85


def test_no_component_without_couples():
    y = np.arange(3.0)[:, None]
    found = components(y, np.arange(3), np.arange(3))
    assert np.isnan(found.first[0])
    assert np.isnan(found.share[0])


def test_a_cell_that_one_level_alone_has_gets_no_interval():
    """A role that only one template's sentences have: leaving that template out leaves nothing."""
    values = np.arange(6.0)[:, None]
    low, high = component_intervals(values, np.zeros(6, int), np.arange(6))
    assert np.isnan(low.first).all()
    assert np.isnan(high.first).all()
