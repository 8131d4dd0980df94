"""Whole attention patterns: torch's own weights, of the pairs that lie evenly over d."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import EOT, SOT, alignment_table
from test_attention import torch_attention

from negtrace.analyses.attention import negator_attention
from negtrace.analyses.attention_patterns import attention_patterns, example_pairs

SHORT = ([SOT, 1, 2, 3, 10, EOT], [SOT, 1, 2, 10, EOT])
LONG = ([SOT, 1, 2, 3, 10, 11, EOT], [SOT, 1, 2, 4, 10, 11, EOT])


def scores(d: list[float], pairs: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"item_id": [f"i{n}" for n in range(len(d))], "pair_id": pairs, "d": d})


def test_pairs_lie_evenly_over_the_ranks_of_d_and_stand_once():
    table = scores([5.0, -9.0, 1.0, 100.0, 2.0], list("abcde"))
    assert example_pairs(table, 3) == ["b", "e", "d"]
    assert example_pairs(table, 9) == ["b", "c", "e", "a", "d"]
    assert example_pairs(table.assign(pair_id=["a", "b", "b", "b", "a"]), 3) == ["b", "a"]
    assert example_pairs(table[:1], 3) == ["a"]


def test_patterns_are_torchs_own_of_both_sentences(causal):
    table = alignment_table([SHORT, LONG], causal.tower.shape)
    found = attention_patterns(causal.tower, table, ["pair1", "pair0"])
    assert list(dict.fromkeys(found["pair_id"])) == ["pair1", "pair0"]
    for pair, sentences in (("pair0", SHORT), ("pair1", LONG)):
        for polarity, tokens in zip(("negated", "affirmative"), sentences, strict=True):
            rows = found[(found["pair_id"] == pair) & (found["polarity"] == polarity)]
            n = len(tokens)
            assert len(rows) == 3 * 3 * n * (n + 1) // 2
            expected = torch_attention(causal.model, tokens)
            for row in rows.itertuples():
                weight = expected[row.layer - 1][row.head - 1, row.query_position, row.key_position]
                assert row.attention == pytest.approx(float(weight), abs=1e-6)
    keys = ["pair_id", "polarity", "layer", "head", "query_position"]
    np.testing.assert_allclose(found.groupby(keys)["attention"].sum(), 1, atol=1e-5)


def test_a_tower_that_reads_padding_has_every_pair_of_tokens_but_no_padding(tiny_models):
    non_causal = tiny_models["bidirectional_first"]
    table = alignment_table([LONG], non_causal.tower.shape)
    assert "padding" in set(table["role"])
    found = attention_patterns(non_causal.tower, table, ["pair0"])
    tokens = table[(table["role"] != "padding") & (table["polarity"] == "negated")]["position"]
    negated = found[found["polarity"] == "negated"]
    assert len(negated) == 3 * 3 * len(tokens) ** 2
    assert set(negated["key_position"]) == set(tokens)
    to_negator = negator_attention(non_causal.tower, table)
    both = negated[negated["key_position"] == 3].merge(
        to_negator, on=["layer", "head", "query_position"]
    )
    assert len(both) == 3 * 3 * len(tokens)
    np.testing.assert_allclose(both["attention"], both["a_negated"], atol=1e-6)
