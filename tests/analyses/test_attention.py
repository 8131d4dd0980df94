"""Attention to the negator against torch's own attention weights, and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import EOT, SOT, alignment_table

from negtrace.analyses.attention import negator_attention, selectivity
from negtrace.errors import InputError
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


def test_a_pair_without_a_negator_is_refused(causal):
    two_edits = alignment_table([([SOT, 9, 3, 8, EOT], [SOT, 7, 4, 8, EOT])], causal.tower.shape)
    with pytest.raises(InputError, match=r"no negator in the pair 'pair0' \(1 in all\)"):
        negator_attention(causal.tower, two_edits)
