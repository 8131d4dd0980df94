"""Intervals and tests: against slow definitions, against scipy, and at their nominal rates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from negtrace.statistics.resampling import (
    bootstrap_interval,
    effective_number,
    flip_interval,
    random_signs,
    resamples,
    share_interval,
    sign_flip_tests,
)

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CLUSTERS = 40


@pytest.fixture
def skewed():
    """Numerators and denominators of 40 clusters in 3 cells."""
    rng = np.random.default_rng(3)
    denominator = rng.gamma(2.0, 1.0, (CLUSTERS, 3)) + 0.2
    return denominator * [0.2, 0.5, 0.9] + rng.normal(0, 0.3, (CLUSTERS, 3)), denominator


@pytest.fixture
def calibration(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import calibration

    return calibration


def test_percentile_interval_is_that_of_a_loop_over_resamples(skewed):
    numerator, denominator = skewed
    weights = resamples(CLUSTERS, 200, seed=5)
    assert (weights.sum(1) == CLUSTERS).all()
    ratios = []
    for row in weights.astype(int):
        drawn = np.repeat(np.arange(CLUSTERS), row)
        ratios.append(numerator[drawn].sum(0) / denominator[drawn].sum(0))
    found = bootstrap_interval(numerator, denominator, weights, level=0.9)
    np.testing.assert_allclose(found, np.quantile(ratios, [0.05, 0.95], axis=0), rtol=1e-12)
    assert (found.low < found.high).all()


def test_bca_interval_agrees_with_scipy():
    rng = np.random.default_rng(8)
    numerator, denominator = rng.exponential(size=(2, CLUSTERS)) ** 2
    expected = stats.bootstrap(
        (numerator, denominator),
        lambda a, b, axis=-1: a.sum(axis) / b.sum(axis),
        paired=True,
        method="BCa",
        n_resamples=20_000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    weights = resamples(CLUSTERS, 20_000, seed=0)
    sums = numerator[:, None], denominator[:, None]
    found = bootstrap_interval(*sums, weights, method="bca")
    plain = bootstrap_interval(*sums, weights)
    near = 0.04 * (expected.high - expected.low)
    assert found.low[0] == pytest.approx(expected.low, abs=near)
    assert found.high[0] == pytest.approx(expected.high, abs=near)
    assert abs(plain.high[0] - expected.high) > 2 * near  # so that the comparison tells them apart


def test_bca_interval_is_that_of_the_formula(skewed):
    """Efron 1987, with the acceleration from a loop that leaves clusters out."""
    shares = np.arange(CLUSTERS)[:, None] % 2  # 0 or 1: many resamples have the estimate itself
    numerator = np.hstack([skewed[0], shares + 0.0])
    denominator = np.hstack([skewed[1], np.ones((CLUSTERS, 1))])
    weights = resamples(CLUSTERS, 400, seed=1)
    found = bootstrap_interval(numerator, denominator, weights, level=0.9, method="bca")
    drawn = (weights @ numerator) / (weights @ denominator)
    norm = stats.norm
    for cell, (a, b) in enumerate(zip(numerator.T, denominator.T, strict=True)):
        below, equal = ((f(drawn[:, cell], a.sum() / b.sum())).mean() for f in (np.less, np.equal))
        bias = norm.ppf(below + 0.5 * equal)
        assert (equal > 0.05) == (cell == 3)
        out = [np.delete(a, i).sum() / np.delete(b, i).sum() for i in range(CLUSTERS)]
        pull = np.mean(out) - np.array(out)
        acceleration = (pull**3).sum() / (6 * (pull**2).sum() ** 1.5)
        for limit, share in zip((found.low[cell], found.high[cell]), (0.05, 0.95), strict=True):
            z = bias + norm.ppf(share)
            place = norm.cdf(bias + z / (1 - acceleration * z))
            assert limit == pytest.approx(np.quantile(drawn[:, cell], place), rel=1e-12)
            assert abs(place - share) > 1e-3 or cell == 3


def test_flip_interval_ends_where_sign_flips_begin_to_reject(skewed):
    numerator, denominator = skewed
    signs = random_signs(CLUSTERS, 500, seed=2)
    found = flip_interval(numerator, denominator, signs, level=0.9)
    estimate = numerator.sum(0) / denominator.sum(0)
    assert (found.low < estimate).all()
    assert (estimate < found.high).all()
    for cell in range(3):
        rest = numerator[:, cell] - estimate[cell] * denominator[:, cell]
        flipped = [abs(rest @ row) / np.sqrt(rest @ rest) for row in signs]
        for limit in (found.low[cell], found.high[cell]):
            v = numerator[:, cell] - limit * denominator[:, cell]
            assert abs(v.sum()) / np.sqrt(v @ v) == pytest.approx(np.quantile(flipped, 0.9))


def every_interval(numerator, denominator):
    weights = resamples(len(numerator), 400, seed=0)
    signs = random_signs(len(numerator), 400, seed=0)
    return {
        "percentile": bootstrap_interval(numerator, denominator, weights),
        "bca": bootstrap_interval(numerator, denominator, weights, method="bca"),
        "flip": flip_interval(numerator, denominator, signs),
    }


def test_intervals_do_not_depend_on_the_unit(skewed):
    numerator, denominator = skewed
    tiny = every_interval(1e-4 * numerator, 1e-4 * denominator)
    for method, expected in every_interval(numerator, denominator).items():
        np.testing.assert_allclose(tiny[method], expected, rtol=1e-9)


def test_cells_that_are_constant_or_undefined():
    numerator = np.array([[0.0, 1.0, 2.0, 0.0]] * 8)
    denominator = np.array([[0.0, 1.0, 4.0, 3.0]] * 8)
    for low, high in every_interval(numerator, denominator).values():
        assert np.isnan([low[0], high[0]]).all()
        np.testing.assert_allclose([low[1:], high[1:]], [[1, 0.5, 0]] * 2)


def test_a_denominator_that_may_be_zero_leaves_no_interval():
    rng = np.random.default_rng(1)
    near_zero, clear = rng.normal([0.1, 3.0], 1.0, (30, 2)).T
    denominator = np.stack([near_zero, clear, -clear], axis=1)
    assert near_zero.sum() > 0
    for low, high in every_interval(0.5 * denominator + 0.1, denominator).values():
        assert np.isnan([low[0], high[0]]).all()
        assert np.isfinite([low[1:], high[1:]]).all()
        assert (low[1:] < high[1:]).all()


def test_p_values_are_those_of_all_sign_patterns():
    values = np.array([[1.0, 0.4], [2.0, -1.0], [0.5, 0.3], [1.5, 0.2], [0.7, -0.1], [1.1, 0.6]])
    patterns = np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1).T
    scale = np.sqrt((values**2).sum(0))
    every = np.abs(patterns @ values) / scale
    observed = np.abs(values.sum(0)) / scale
    found = sign_flip_tests(values, replicates=40_000)
    np.testing.assert_allclose(found.p, (every >= observed - 1e-9).mean(0), atol=0.005)
    family = (every.max(1)[:, None] >= observed - 1e-9).mean(0)
    np.testing.assert_allclose(found.p_fwer, family, atol=0.005)
    assert found.p_fwer[1] > found.p[1] + 0.005
    np.testing.assert_allclose(found.q_fdr, stats.false_discovery_control(found.p))


def test_p_values_do_not_depend_on_the_unit_or_sign_of_a_cell():
    values = np.random.default_rng(2).normal(0.2, 1, (25, 4))
    found = sign_flip_tests(values, 500)
    np.testing.assert_array_equal(found, sign_flip_tests(values * [1000, -1, 0.01, 1], 500))


def test_p_is_never_zero():
    """No more than one of 2**30 patterns reaches the observed sum; p counts the observed one."""
    found = sign_flip_tests(np.ones((30, 2)), replicates=99)
    assert found.p.tolist() == found.p_fwer.tolist() == [0.01, 0.01]


@pytest.mark.parametrize(("clusters", "least"), [(1, 1.0), (2, 0.5), (5, 0.0625)])
def test_few_clusters_cannot_give_a_small_p(clusters, least):
    found = sign_flip_tests(np.ones((clusters, 1)), replicates=20_000)
    assert found.p[0] == pytest.approx(least, rel=0.1)


def test_unchanged_cells_have_p_1_and_leave_the_others_as_they_are():
    rng = np.random.default_rng(0)
    changed = rng.normal(0.6, 1.0, (12, 3))
    unchanged = np.stack([np.zeros(12), np.full(12, 1e-5)], axis=1)
    found = sign_flip_tests(np.hstack([changed, unchanged]), tolerance=1e-4)
    alone = sign_flip_tests(changed)
    for value, expected in zip(found, alone, strict=True):
        np.testing.assert_array_equal(value[:3], expected)
        assert value[3:].tolist() == [1.0, 1.0]
    assert sign_flip_tests(unchanged).p[1] < 0.01  # without a tolerance, rounding is an effect
    assert np.array_equal(sign_flip_tests(unchanged, tolerance=1e-4), np.ones((3, 2)))


def test_share_of_values_of_their_own_is_clopper_and_pearsons():
    events = np.array([1.0, 0, 0, 1, 0, 0, 0, 1, 0, 0])[:, None]
    found = share_interval(events, np.ones((10, 1)), level=0.9)
    exact = stats.binomtest(3, 10).proportion_ci(0.9, method="exact")
    np.testing.assert_allclose(np.ravel(found), [exact.low, exact.high])


def test_where_nothing_happened_there_is_room_for_a_rare_event():
    """As much as unrelated values of as many pairs of equal size would leave."""
    sizes = np.array([[1.0], [1], [1], [5]])
    assert effective_number(sizes)[0] == pytest.approx(64 / 28)
    low, high = share_interval(np.zeros((4, 1)), sizes)
    assert low[0] == 0
    assert high[0] == pytest.approx(1 - 0.025 ** (28 / 64))
    low, high = share_interval(sizes, sizes)
    assert (low[0], high[0]) == (pytest.approx(0.025 ** (28 / 64)), 1)


def test_values_of_a_pair_that_are_alike_count_less():
    sizes = np.full((30, 2), 4.0)
    apart = np.tile([1.0, 0, 1], 10)
    alike = np.array([4.0, *[0] * 5] * 5)
    assert apart.sum() == alike.sum()
    low, high = share_interval(np.stack([apart, alike], axis=1), sizes)
    assert high[1] - low[1] > 1.5 * (high[0] - low[0])
    binomial = stats.binomtest(20, 120).proportion_ci(method="exact")
    assert high[0] - low[0] >= binomial.high - binomial.low - 1e-9


def test_cells_without_values_have_no_share():
    found = share_interval(np.zeros((5, 1)), np.zeros((5, 1)))
    assert np.isnan(found).all()


@pytest.mark.parametrize("seed", range(5))
def test_an_interval_of_a_share_holds_the_share_and_stays_between_0_and_1(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 9, (rng.integers(1, 30), 40)).astype(float)
    events = rng.binomial(sizes.astype(int), rng.random(40)).astype(float)
    low, high = share_interval(events, sizes)
    share = events.sum(0) / sizes.sum(0)
    some = sizes.sum(0) > 0
    assert ((low >= 0) & (low <= share + 1e-12) & (share <= high + 1e-12) & (high <= 1))[some].all()
    assert (low < high)[some].all()


def within(rate: float, nominal: float, studies: int) -> bool:
    """Whether a rate is its nominal value but for 3.5 standard errors."""
    return abs(rate - nominal) < 3.5 * np.sqrt(nominal * (1 - nominal) / studies)


def test_error_rates_of_maps_without_effect(calibration):
    """On pairs as unequal as VALSE's, where both usual mistakes are found out at once."""
    studies = 150
    found = calibration.summary(
        [calibration.false_alarms(calibration.WORLDS[0], i, 30, 200) for i in range(studies)]
    )["rate"]
    assert within(found["max-T"], 0.05, studies)
    assert within(found["single cell"], 0.05, studies)
    assert found["Benjamini-Hochberg"] < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / studies)
    assert not within(found["no correction"], 0.05, studies)
    assert not within(found["max-T, items flipped"], 0.05, studies)


def test_coverage_of_intervals(calibration):
    """Resamples cover a little less than they promise where a few pairs hold many items."""
    studies = 100
    found = calibration.summary(
        [
            calibration.coverage(calibration.WORLDS[0], i, (0.3,), replicates=300)
            for i in range(studies)
        ]
    )["rate"]
    for quantity in ("ratio", "difference"):
        assert within(found[quantity, "flip"], 0.95, studies)
        assert within(found[quantity, "percentile"], 0.93, studies)
        assert found[quantity, "bca"] > 0.8
        assert not within(found[quantity, "percentile, items drawn"], 0.93, studies)


def test_coverage_of_shares_of_rare_events(calibration):
    """Where limits of the other methods often have no width."""
    studies = 100
    found = calibration.summary(
        [
            calibration.event_coverage(calibration.WORLDS[0], i, replicates=100)
            for i in range(studies)
        ]
    )["rate"]
    for share in ("0.5%", "2.0%", "10.0%", "50.0%"):
        assert found[share] > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / studies)
    assert found["0.5%, flip"] < 0.8
    assert found["2.0%, percentile"] < found["2.0%"]


def test_one_family_for_all_maps(calibration):
    studies = 60
    world = calibration.WORLDS[3]
    found = calibration.summary(
        [calibration.families(world, i, cells=20, flips=200) for i in range(studies)]
    )["rate"]
    assert within(found["family: all maps"], 0.05, studies)
    assert found["family: each map"] > found["family: all maps"]


@pytest.fixture
def selection(calibration):
    import selection

    return selection


def test_a_patch_that_has_nothing_to_do_with_the_sentences(selection):
    found = [selection.independent_patch(seed) for seed in range(3)]
    for one in found:
        assert 0.3 < one["restoration, correct items"] < 0.7
        assert 0.3 < one["by its placebo"] < 0.7
        assert one["significant, correct items"]
    assert sum(one["significant, all items"] for one in found) <= 1
    assert sum(one["beyond its placebo"] for one in found) <= 1


def test_a_random_model_has_no_finding(selection):
    found = selection.cancelling_d(1)
    assert found["largest ratio above 0.1"]
    assert not found["with a bounded interval"]
    assert not found["a head is named"]


def test_exchangeable_sources_differ_in_selected_items_only(selection):
    found = [selection.exchangeable_sources(seed) for seed in range(3)]
    assert all(one["logits, correct items"] > 0.2 for one in found)
    assert all(abs(one["logits, all items"]) < 0.2 for one in found)
    assert sum(one["significant, all items"] for one in found) <= 1


def test_a_constant_patched_score_with_the_real_models_scores(selection):
    shared = BENCHMARKS.parents[1] / "shared"
    files = shared / "reference" / "authors_items.csv", shared / "valse" / "existence.json"
    if not all(path.is_file() for path in files):
        pytest.skip("no published scores beside the checkout")
    scores = selection.real_scores(*files)
    assert selection.constant_patch(scores, "negate", "foil") == pytest.approx((0.64, 0), abs=0.005)
    found = selection.constant_patch(scores, "affirm", "caption")
    assert found == pytest.approx((0.77, 0), abs=0.005)
