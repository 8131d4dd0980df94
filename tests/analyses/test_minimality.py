"""Minimality of a found set: planted losses, and a head that does nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from negtrace.analyses.minimality import COLUMNS, minimality, minimality_sets
from negtrace.statistics.effect_sizes import Options

FOUND = ((1, 2), (3, 1), (4, 4))
QUICK = Options(replicates=300, flips=500)


def ablated(losses: dict[tuple[int, int], float], pairs: int = 30, noise: float = 0.2):
    """`ablated_scores` in which every ablated head costs its loss."""
    rng = np.random.default_rng(0)
    pair = np.repeat(np.arange(pairs), 2)
    d = rng.normal(3, 1, len(pair))
    parts = []
    for number, heads in enumerate(minimality_sets(FOUND)):
        cost = sum(losses[head] + rng.normal(0, noise, len(pair)) for head in heads)
        parts.append(
            pd.DataFrame(
                {"set": number, "item_id": np.arange(len(pair)), "pair_id": pair, "d": d - cost}
            ).assign(cluster_id=pair)
        )
    return pd.concat(parts, ignore_index=True)


def test_sets_are_the_whole_and_the_whole_without_each():
    assert minimality_sets(FOUND) == [
        (),
        FOUND,
        ((3, 1), (4, 4)),
        ((1, 2), (4, 4)),
        ((1, 2), (3, 1)),
    ]


def test_every_heads_loss_and_the_one_that_adds_none():
    table = minimality(ablated({(1, 2): 1.0, (3, 1): 0.5, (4, 4): 0.0}), FOUND, QUICK)
    assert table.columns.tolist() == COLUMNS
    assert table[["layer", "head"]].to_numpy().tolist() == [list(head) for head in FOUND]
    np.testing.assert_allclose(table["loss"], [1.0, 0.5, 0.0], atol=0.15)
    assert table["loss_of_set"].to_numpy() == pytest.approx(1.5, abs=0.15)
    assert ((table["loss_ci_low"] < table["loss"]) & (table["loss"] < table["loss_ci_high"])).all()
    assert (table["p_fwer"] <= 0.05).tolist() == [True, True, False]
    assert table["n_pairs"].tolist() == [30] * 3
    assert table["n_items"].tolist() == [60] * 3


def test_loss_is_that_of_a_loop_over_items():
    scores = ablated({(1, 2): 1.0, (3, 1): 0.5, (4, 4): 0.0})
    table = minimality(scores, FOUND, QUICK)
    d = {
        number: part.sort_values("item_id")["d"].to_numpy()
        for number, part in scores.groupby("set")
    }
    expected = [np.mean(d[2 + k] - d[1]) for k in range(3)]
    np.testing.assert_allclose(table["loss"], expected)
    shuffled = minimality(scores.sample(frac=1, random_state=1), FOUND, QUICK)
    pd.testing.assert_frame_equal(shuffled, table)


def test_a_head_that_works_against_the_set_has_a_negative_loss():
    table = minimality(ablated({(1, 2): 1.0, (3, 1): -0.5, (4, 4): 0.5}), FOUND, QUICK)
    assert (table["loss"] < 0).tolist() == [False, True, False]
    assert (table["p_fwer"] <= 0.05).all()


def test_few_clusters_have_no_interval():
    table = minimality(ablated({head: 1.0 for head in FOUND}, pairs=5), FOUND, QUICK)
    assert table["loss_ci_low"].isna().all()
    assert table["loss"].notna().all()
