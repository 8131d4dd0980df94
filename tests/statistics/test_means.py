"""Means by cell with their intervals: against the interval of each cell by itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from negtrace.statistics.effect_sizes import Options, interval_of
from negtrace.statistics.means import contribution_map, selectivity_map

OPTIONS = Options(replicates=300, seed=3)


def study(pairs: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Selectivity of two heads in every pair; one to three items of each, two pairs a cluster."""
    rng = np.random.default_rng(0)
    by_pair = pd.DataFrame(
        {
            "pair_id": np.repeat([f"p{i}" for i in range(pairs)], 2),
            "layer": 1,
            "head": [1, 2] * pairs,
            "selectivity": rng.normal(0.3, 0.1, 2 * pairs),
        }
    )
    items = [(f"p{i}", f"c{i // 2}") for i in range(pairs) for _ in range(1 + i % 3)]
    segments = pd.DataFrame(items, columns=["pair_id", "cluster_id"]).assign(
        item_id=lambda of: [f"i{n}" for n in range(len(of))],
        negation=lambda of: np.where(np.arange(len(of)) % 2, "caption", "foil"),
        segment="correct",
        d=1.0,
        correct=True,
    )
    return by_pair, segments


def test_means_are_over_items_and_intervals_over_clusters():
    by_pair, segments = study(16)
    table = selectivity_map(by_pair, segments, OPTIONS)
    rows = table.set_index(["negation", "segment", "head"])
    assert set(rows.index.get_level_values("negation")) == {"caption", "foil", "all"}
    for (negation, _, head), row in rows.iterrows():
        items = segments[(segments["negation"] == negation) | (negation == "all")]
        values = items.merge(by_pair[by_pair["head"] == head], on="pair_id")
        by_cluster = values.groupby("cluster_id")["selectivity"].agg(["sum", "size"])
        assert row["mean"] == pytest.approx(values["selectivity"].mean())
        assert row["n_items"] == len(values)
        total, count = (by_cluster[[name]].to_numpy(float) for name in ("sum", "size"))
        low, high = interval_of(len(by_cluster), OPTIONS)(total, count)
        assert (row["mean_ci_low"], row["mean_ci_high"]) == pytest.approx((low[0], high[0]))
        assert row["mean_ci_low"] < row["mean"] < row["mean_ci_high"]


def test_few_clusters_have_no_interval_and_no_pairs_no_rows():
    by_pair, segments = study(10)
    table = selectivity_map(by_pair, segments, OPTIONS)
    assert table["mean"].notna().all()
    assert table["mean_ci_low"].isna().all()
    assert selectivity_map(by_pair.iloc[:0], segments, OPTIONS).empty


def test_contributions_of_components_without_head_or_role_have_the_interval_of_their_own():
    by_pair, segments = study(16)
    items = segments.merge(by_pair[by_pair["head"] == 1], on="pair_id")
    rng = np.random.default_rng(1)
    parts = {
        kind: items[["item_id", "pair_id"]].assign(
            component=kind, layer=layer, head=head, role=None, d=rng.normal(mean, 0.2, len(items))
        )
        for kind, layer, head, mean in (("embedding", None, None, 0.2), ("head", 1, 2, 0.8))
    }
    table = contribution_map(pd.concat(parts.values(), ignore_index=True), segments, OPTIONS)
    over_all = (table["negation"] == "all") & (table["segment"] == "all")
    whole = table[over_all].set_index("component")
    assert whole["share"].sum() == pytest.approx(1)
    for kind, part in parts.items():
        by_cluster = part.merge(segments, on="item_id").groupby("cluster_id")["d_x"]
        sums, counts = (of.to_numpy(float)[:, None] for of in (by_cluster.sum(), by_cluster.size()))
        low, high = interval_of(len(sums), OPTIONS)(sums, counts)
        row = whole.loc[kind]
        assert (row["mean_ci_low"], row["mean_ci_high"]) == pytest.approx((low[0], high[0]))
        assert row["mean"] == pytest.approx(part["d"].mean())
