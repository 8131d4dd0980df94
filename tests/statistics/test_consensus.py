"""Consensus: what holds in most groups, under one family-wise correction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from negtrace.statistics.agreement import MEAN, agreement, spearman
from negtrace.statistics.consensus import by_level, consensus
from negtrace.statistics.effect_sizes import Options

OPTIONS = Options(replicates=200, flips=2000)
SUBJECTS = 24


def values_of(effects: dict[str, list[float]], noise: float = 0.3, seed: int = 0) -> pd.DataFrame:
    """A value per group, subject and head; d is 2, so that a head's ratio is its effect / 2."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "item_id": f"{group}.{subject}",
            "pair_id": f"{group}.{subject}",
            "site": "head",
            "direction": "negate",
            "layer": 1,
            "head": head,
            "role": "all",
            "change": effect + noise * rng.normal(),
            "d": 2.0,
            "group": group,
            "cluster_id": f"subject {subject}",
            "flipped": 0.0,
            "known": 0.0,
        }
        for group, of_head in effects.items()
        for subject in range(SUBJECTS)
        for head, effect in enumerate(of_head, start=1)
    ]
    table = pd.DataFrame(rows)
    return table.assign(restoration=table["change"] / 2)


EFFECTS = {
    "a": [1.0, 1.0, 0.0, -1.0],
    "b": [1.0, 0.0, 0.0, -1.0],
    "c": [1.0, 0.0, 0.0, -1.0],
}


def test_consensus_and_union():
    levels = by_level(values_of(EFFECTS), "group", OPTIONS)
    found = consensus(levels).set_index("head")
    assert list(found["n_levels"]) == [3, 3, 3, 3]
    assert list(found["n_holding"]) == [3, 1, 0, 0]  # what works against the negation holds nowhere
    assert list(found["k"]) == [2, 2, 2, 2]
    assert list(found["consensus"]) == [True, False, False, False]
    assert list(found["union"]) == [True, True, False, False]
    assert found.loc[1, "ratio_lowest"] == pytest.approx(0.5, abs=0.1)
    assert list(consensus(levels, k=1)["consensus"]) == list(found["union"])
    assert consensus(levels, k=9).set_index("head").loc[1, "k"] == 3


def test_intervals_are_over_clusters():
    levels = by_level(values_of(EFFECTS), "group", OPTIONS)
    assert set(levels["n_clusters"]) == {SUBJECTS}
    row = levels[(levels["level"] == "a") & (levels["head"] == 1)].iloc[0]
    assert row["ratio_ci_low"] < row["ratio"] < row["ratio_ci_high"]
    halved = values_of(EFFECTS).assign(cluster_id=lambda t: t["cluster_id"].str[-1])
    assert set(by_level(halved, "group", OPTIONS)["n_clusters"]) == {10}


def test_family_wise_error_with_signs_shared_by_groups():
    none = {group: [0.0] * 8 for group in "abcdef"}
    runs = [
        consensus(by_level(values_of(none, seed=seed), "group", Options(flips=400)))["union"].any()
        for seed in range(60)
    ]
    assert np.mean(runs) < 0.13  # 5% and three standard errors


def test_known_cells_are_left_out():
    values = values_of(EFFECTS)
    values.loc[values["head"] == 3, "known"] = 1.0
    assert set(by_level(values, "group", OPTIONS)["head"]) == {1, 2, 4}


def test_spearman_by_hand():
    first = np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0], [1.0, 1.0, 1.0]])
    rho = spearman(first, first[:2])
    assert rho[0, 0] == pytest.approx(1)
    assert rho[0, 1] == pytest.approx(-0.5)
    assert np.isnan(rho[2]).all()


def test_agreement_within_and_between_groups():
    effects = {"a": [3.0, 2.0, 1.0, 0.0], "b": [3.0, 2.0, 1.0, 0.0], "c": [0.0, 1.0, 2.0, 3.0]}
    table = agreement(values_of(effects, noise=0.1), "group", OPTIONS)
    rho = table.set_index(["first", "second"])["spearman"]
    assert rho["a", "b"] == pytest.approx(1)
    assert rho["a", "c"] == pytest.approx(-1)
    assert rho[MEAN, MEAN] == pytest.approx(1)
    assert rho[MEAN, "others"] == pytest.approx(-1 / 3)
    assert set(table["n_cells"]) == {4}


def test_agreement_of_one_group_has_no_others():
    table = agreement(values_of({"a": [1.0, 2.0]}), "group", OPTIONS)
    assert "others" not in set(table["second"])


def test_maps_of_noise_do_not_agree_with_themselves():
    table = agreement(values_of({"a": [0.0] * 12, "b": [0.0] * 12}), "group", OPTIONS)
    rho = table.set_index(["first", "second"])["spearman"]
    assert abs(rho["a", "a"]) < 0.4
