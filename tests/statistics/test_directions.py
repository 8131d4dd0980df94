"""Directions: hand-worked means, known answers in Gaussian clouds, and what no pair differs in."""

from __future__ import annotations

import numpy as np
import pytest

from negtrace.statistics.directions import (
    difference_of_means,
    moments,
    pooled,
    probe,
    told_apart,
    unit,
)

WIDTH = 6


def clouds(n: int, shift: np.ndarray, scales: np.ndarray, seed: int):
    """Source and base states [1, n, width] of one cloud each, a shift apart."""
    rng = np.random.default_rng(seed)
    source, base = rng.standard_normal((2, 1, n, WIDTH)) * scales
    return source + shift, base


def test_difference_of_means_by_hand():
    source = np.array([[[1.0, 0.0], [3.0, 2.0]]])
    base = np.array([[[0.0, 0.0], [0.0, 4.0]]])
    of = moments(source, base)
    np.testing.assert_allclose(difference_of_means(of), [[2.0, -1.0]])
    np.testing.assert_allclose(of.middle, [[1.0, 1.5]])
    np.testing.assert_allclose(unit(difference_of_means(of)), [[2 / 5**0.5, -1 / 5**0.5]])


def test_the_probe_is_ridge_regression_on_the_label():
    source, base = clouds(40, np.eye(WIDTH)[0], np.arange(1, WIDTH + 1), 0)
    found = probe(moments(source, base), 0.3)[0]
    x = np.concatenate([source[0], base[0]])
    x = x - x.mean(0)
    y = np.repeat([1.0, -1.0], 40)
    penalty = 0.3 * x.var(axis=0).mean() * len(x)
    wanted = np.linalg.lstsq(
        np.vstack([x, np.sqrt(penalty) * np.eye(WIDTH)]), np.append(y, np.zeros(WIDTH))
    )[0]
    np.testing.assert_allclose(unit(found), unit(wanted), atol=1e-12)


def test_the_probe_turns_from_noise_that_the_means_have_in_common():
    """Fisher's case: the means differ in two coordinates, one of which is noise."""
    shift, scales = np.zeros(WIDTH), np.ones(WIDTH)
    shift[:2], scales[1] = 1.0, 20.0
    of = moments(*clouds(4000, shift, scales, 1))
    tested = clouds(4000, shift, scales, 2)
    right = {
        name: told_apart(vector, of.middle, *tested).mean()
        for name, vector in (("means", difference_of_means(of)), ("probe", probe(of, 1e-3)))
    }
    assert right["means"] < 0.62 < 0.66 < right["probe"]


def test_moments_of_parts_are_those_of_the_whole():
    source, base = clouds(30, np.ones(WIDTH), np.ones(WIDTH), 3)
    parts = [moments(source[:, :11], base[:, :11]), moments(source[:, 11:], base[:, 11:])]
    whole = moments(source, base)
    for name in ("n", "source", "base", "products"):
        np.testing.assert_allclose(getattr(pooled(parts), name), getattr(whole, name))
    assert pooled([parts[0], moments(source, base, products=False)]).products is None


@pytest.mark.parametrize("same", ["one state", "the same states"])
def test_where_nothing_differs_there_is_no_direction(same):
    source, _ = clouds(20, np.ones(WIDTH), np.ones(WIDTH), 4)
    if same == "one state":
        source = np.repeat(source[:, :1], 20, axis=1)
    of = moments(source, source.copy())
    for vector in (difference_of_means(of), probe(of, 0.1), unit(difference_of_means(of))):
        assert not vector.any()
    assert (told_apart(probe(of, 0.1), of.middle, source, source) == 0.5).all()


def test_two_words_are_told_apart_however_alike_all_states_are():
    """Hidden state 0 at the negator: every source state is one vector, every base state another."""
    source, base = np.zeros((2, 1, 9, WIDTH))
    source[..., 2] = 0.01
    of = moments(source + 50, base + 50)
    np.testing.assert_allclose(unit(probe(of, 0.1))[0], np.eye(WIDTH)[2], atol=1e-6)
    assert told_apart(probe(of, 0.1), of.middle, source + 50, base + 50).all()


def test_hidden_states_do_not_mix():
    first = clouds(25, np.eye(WIDTH)[0], np.ones(WIDTH), 5)
    second = clouds(25, np.eye(WIDTH)[3], np.ones(WIDTH), 6)
    both = moments(*(np.concatenate(pair) for pair in zip(first, second, strict=True)))
    for i, alone in enumerate((first, second)):
        np.testing.assert_allclose(probe(both, 0.1)[i], probe(moments(*alone), 0.1)[0])
