"""The explorer's edges: their numbers are the tables' own, and the changes those of the items."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from negtrace.report import edge_block as module
from negtrace.report.edge_block import edge_block
from negtrace.statistics.edge_map import COLUMNS, edge_map
from negtrace.statistics.effect_sizes import Options
from negtrace.statistics.groups import segments as classified

ITEMS = 12
SHARES = {
    ("embedding", "1.2.k", "determiner"): 0.2,
    ("1.2", "mlp.3", "EOT"): -0.4,
    ("mlp.3", "read-out", "EOT"): 0.8,
    ("3.1", "read-out", "EOT"): 0.0,
}


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    draw = np.random.default_rng(5)
    d = 4 + draw.normal(size=ITEMS)
    negation = ["caption", "foil"] * (ITEMS // 2)
    sign = np.where(np.array(negation) == "caption", 1, -1)
    ids = {"item_id": [f"i{n}" for n in range(ITEMS)], "pair_id": [f"p{n}" for n in range(ITEMS)]}
    scores = pd.DataFrame(
        {**ids, "negation": negation, "s_negated": 1 + sign * d, "s_affirmative": 1.0, "d": d}
    )
    candidates = pd.DataFrame({**ids, "votes_caption": 3, "subject": "dogs"})
    thresholds = {"incorrect_below": -1.0, "correct_from": 1.0}
    parts = []
    for (sender, receiver, role), share in SHARES.items():
        restoration = share + 0.01 * draw.normal(size=ITEMS)
        parts.append(
            pd.DataFrame(
                {
                    **ids,
                    "direction": "negate",
                    "sender": sender,
                    "receiver": receiver,
                    "role": role,
                    "s_patched": 1 + restoration * sign * d,
                    "restoration": restoration,
                    "s_placebo": np.nan,
                }
            )
        )
    edges = pd.concat(parts, ignore_index=True)
    groups = classified(scores, candidates, thresholds)
    options = Options(replicates=100, flips=400)
    return {
        "edge_map": edge_map(edges, scores, groups, 0.05, options),
        "edges": edges,
        "scores": scores,
        "segments": groups,
    }


def test_edges_are_sorted_by_strength_with_what_they_read_with(tables):
    found = edge_block(**tables)
    rows = pd.DataFrame(found["edges"])
    both = rows[rows["negation"] == "all"]
    assert both[["sender", "component", "reads"]].to_numpy().tolist() == [
        ["mlp.3", "read-out", "read-out"],
        ["1.2", "mlp.3", "mlp"],
        ["embedding", "1.2", "k"],
        ["3.1", "read-out", "read-out"],
    ]
    assert both["kept"].tolist() == [True, True, True, False]
    assert found["tested"] == {"negate": 4}
    assert found["heights"] == {
        "1.2": 1, "3.1": 3, "embedding": 0, "mlp.3": 3.4, "read-out": None,
    }  # fmt: skip
    given = tables["edge_map"].set_index(["sender", "negation"])["ratio"].astype(float)
    for row in rows.itertuples():
        assert row.ratio == pytest.approx(given[row.sender, row.negation], rel=1e-3)


def test_changes_of_a_kept_edge_are_its_items(tables):
    found = edge_block(**tables)
    rows = pd.DataFrame(found["edges"])
    for row in rows[rows["negation"] == "all"].itertuples():
        if not row.kept:
            assert pd.isna(row.changes)
            continue
        own = tables["edges"][tables["edges"]["sender"] == row.sender]
        wanted = 1000 * own["restoration"].to_numpy() * tables["segments"]["d"].to_numpy()
        assert found["changes"][int(row.changes)] == pytest.approx(wanted, abs=0.51)


def test_only_the_strongest_are_held_but_all_that_were_tested_are_counted(tables, monkeypatch):
    monkeypatch.setattr(module, "MOST_EDGES", 2)
    monkeypatch.setattr(module, "MOST_WITH_ITEMS", 1)
    found = edge_block(**tables)
    assert list(dict.fromkeys(found["edges"]["sender"])) == ["mlp.3", "1.2"]
    assert len(found["changes"]) == 1
    assert found["tested"] == {"negate": 4}
    assert set(found["heights"]) == {"mlp.3", "1.2", "read-out"}


def test_a_run_without_edges_has_an_empty_block(tables):
    nothing = pd.DataFrame(columns=["dataset", "model", "wording", *COLUMNS])
    found = edge_block(nothing, tables["edges"][:0], tables["scores"], tables["segments"])
    assert found["tested"] == {}
    assert found["changes"] == []
    assert not found["edges"]["sender"]
