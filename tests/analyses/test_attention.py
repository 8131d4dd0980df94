"""Attention to the negator against torch's own attention weights, and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import EOT, SOT, alignment_table

from negtrace.analyses.attention import negator_attention, selectivity
from negtrace.patching.slow_twin import pad

REPHRASED = ([SOT, 1, 2, 3, 10, 11, EOT], [SOT, 1, 2, 4, 10, 11, EOT])
INSERTED = ([SOT, 1, 2, 3, 10, EOT], [SOT, 1, 2, 10, EOT])


def torch_attention(model, tokens: list[int]) -> list[torch.Tensor]:
    """Attention weights [heads, queries, keys] of every block, from nn.MultiheadAttention."""
    x = model.token_embedding(pad(model, tokens)) + model.positional_embedding
    weights = []
    for block in model.transformer.resblocks:
        normed = block.ln_1(x)
        _, pattern = block.attn(
            normed, normed, normed, attn_mask=model.attn_mask, average_attn_weights=False
        )
        weights.append(pattern[0])
        x = block(x, attn_mask=model.attn_mask)
    return weights


def test_attention_equals_torch(causal):
    table = negator_attention(causal.tower, alignment_table([REPHRASED], causal.tower.shape))
    negated, affirmative = (torch_attention(causal.model, tokens) for tokens in REPHRASED)
    assert len(table) == 3 * 3 * len(REPHRASED[0])
    for row in table.itertuples():
        cell = (row.head - 1, row.query_position, 3)
        assert row.a_negated == pytest.approx(float(negated[row.layer - 1][cell]), abs=1e-6)
        expected = float(affirmative[row.layer - 1][cell])
        assert row.a_affirmative == pytest.approx(expected, abs=1e-6)
    assert (table["after_negator"] == (table["query_position"] > 3)).all()


def test_selectivity_is_the_maximum_after_the_negator():
    attention = pd.DataFrame(
        {
            "pair_id": "p",
            "layer": 1,
            "head": [1, 1, 1, 2, 2, 2],
            "query_position": [3, 4, 5] * 2,
            "after_negator": [False, True, True] * 2,
            "a_negated": [0.9, 0.3, 0.2, 0.0, 0.1, 0.1],
            "a_affirmative": [0.0, 0.1, 0.1, 0.0, 0.4, 0.2],
        }
    )
    assert selectivity(attention)["selectivity"].round(6).tolist() == [0.2, -0.1]


def test_without_a_counterpart_the_difference_is_undefined(causal):
    table = negator_attention(causal.tower, alignment_table([INSERTED], causal.tower.shape))
    assert table["a_affirmative"].isna().all()
    assert table["a_negated"].notna().all()
    assert selectivity(table)["selectivity"].isna().all()


def test_pairs_of_different_length_share_a_batch(causal):
    together = negator_attention(
        causal.tower, alignment_table([INSERTED, REPHRASED], causal.tower.shape)
    )
    alone = negator_attention(causal.tower, alignment_table([REPHRASED], causal.tower.shape))
    second = together[together["pair_id"] == "pair1"]
    np.testing.assert_allclose(second["a_negated"], alone["a_negated"], atol=1e-7)


def negated_by(table: pd.DataFrame, *positions: int) -> pd.DataFrame:
    at = (table["polarity"] == "negated") & table["position"].isin(positions)
    return table.assign(negator=at)


def test_a_negator_of_several_tokens_gets_the_sum(causal):
    table = alignment_table([REPHRASED], causal.tower.shape)
    both = negator_attention(causal.tower, negated_by(table, 1, 3))
    each = [negator_attention(causal.tower, negated_by(table, place)) for place in (1, 3)]
    for column in ("a_negated", "a_affirmative"):
        assert (both[column] > 0).any()
        expected = each[0][column] + each[1][column]
        np.testing.assert_allclose(both[column], expected, atol=1e-7)
    assert (both["after_negator"] == each[1]["after_negator"]).all()


def test_a_counterpart_is_needed_for_every_token(causal):
    table = negated_by(alignment_table([INSERTED], causal.tower.shape), 2, 3)
    found = negator_attention(causal.tower, table)
    assert found["a_affirmative"].isna().all()
    assert found["a_negated"].notna().all()


def test_where_there_is_nothing_to_look_at(causal):
    lacking = alignment_table([INSERTED[::-1], REPHRASED], causal.tower.shape)
    found = negator_attention(causal.tower, lacking)
    first = found["pair_id"] == "pair0"
    assert found.loc[first, ["a_negated", "a_affirmative"]].isna().all(axis=None)
    assert found.loc[~first, "a_negated"].notna().all()
    by_head = selectivity(found).groupby("pair_id", sort=False)["selectivity"]
    assert by_head.size().tolist() == [9, 9]
    assert by_head.count().tolist() == [0, 9]
