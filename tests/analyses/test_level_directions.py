"""Directions of single templates: their cosines, and how sure these are."""

from __future__ import annotations

import numpy as np
import pytest

from negtrace.analyses.level_directions import cosines_of
from negtrace.statistics.directions import unit

X, Y = np.eye(2)


def table_of(changes) -> dict:
    found = cosines_of({key: np.asarray(of, float) for key, of in changes.items()})
    return found.set_index(["fitted_on", "tested_on", "layer"])


def random_changes(seed: int, noise: float, clusters: int = 12) -> dict:
    """Levels a and b of one direction and c of another, in two hidden states of four features."""
    draw = np.random.default_rng(seed)
    means = {"a": np.eye(4)[0], "b": np.eye(4)[0], "c": np.eye(4)[1]}
    return {
        (half, level): mean + noise * draw.standard_normal((clusters + int(half), 2, 4))
        for half in "01"
        for level, mean in means.items()
    }


def cosine(changes, a: str, b: str) -> np.ndarray:
    """By the definition, hidden state by hidden state."""
    both = [
        (changes["0", a].sum(0), changes["1", b].sum(0)),
        (changes["1", a].sum(0), changes["0", b].sum(0)),
    ]
    return np.mean([(unit(x) * unit(y)).sum(-1) for x, y in both], axis=0)


def test_by_hand():
    table = table_of(
        {
            ("0", "a"): [[X], [0 * X]],  # one cluster has no such pair
            ("1", "a"): [[X + Y]],
            ("0", "b"): [[2 * Y], [3 * Y]],
            ("1", "b"): [[Y]],
        }
    )["cosine"]
    half = 0.5**0.5
    assert table["a", "a", 0] == pytest.approx(half)  # both ways are the same
    assert table["b", "b", 0] == pytest.approx(1)
    assert table["a", "b", 0] == table["b", "a", 0] == pytest.approx((0 + half) / 2)
    assert table["the same", "all", 0] == pytest.approx((half + 1) / 2)
    assert table["another", "all", 0] == pytest.approx(half / 2)


def test_the_standard_error_is_the_jackknifes():
    changes = random_changes(0, noise=0.8)
    table = table_of(changes)
    for a, b in (("a", "a"), ("a", "c"), ("c", "b")):
        variance = np.zeros(2)
        for half in "01":
            count = len(changes[half, a])
            z = np.arctanh(
                [
                    cosine(
                        {
                            key: np.delete(of, left, axis=0) if key[0] == half else of
                            for key, of in changes.items()
                        },
                        a,
                        b,
                    )
                    for left in range(count)
                ]
            )
            variance += (count - 1) / count * ((z - z.mean(0)) ** 2).sum(0)
        np.testing.assert_allclose(table.sort_index().loc[(a, b), "cosine"], cosine(changes, a, b))
        np.testing.assert_allclose(table.sort_index().loc[(a, b), "z_se"], variance**0.5)


def test_its_interval_covers_what_more_of_the_same_pairs_would_give():
    """The cosine of estimates from as many clusters, averaged over many draws."""
    draws = [table_of(random_changes(seed, noise=1.0)).loc[("a", "b", 0)] for seed in range(200)]
    z = np.arctanh([one["cosine"] for one in draws])
    error = np.array([one["z_se"] for one in draws])
    covered = np.mean(np.abs(z - z.mean()) <= 1.96 * error)
    assert 0.85 <= covered <= 0.99


def test_where_there_is_nothing_to_leave_out_there_is_no_standard_error():
    one = table_of({("0", "a"): [[X]], ("1", "a"): [[X + Y], [Y]]})
    assert one["z_se"].isna().all()
    nothing = table_of({("0", "a"): [[0 * X], [0 * X]], ("1", "a"): [[X + Y], [Y]]})
    assert (nothing["cosine"] == 0).all()
    assert nothing["z_se"].isna().all()


def test_levels_that_share_no_two_halves_are_not_compared():
    table = cosines_of({("0", "a"): X[None, None], ("0", "b"): Y[None, None]})
    assert table.empty
    assert list(table) == ["fitted_on", "tested_on", "layer", "cosine", "z_se"]
