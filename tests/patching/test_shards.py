"""Shards: together they are the study, apart they share no pair."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from test_restoration import PAIRS, Study

from negtrace.errors import InputError
from negtrace.patching.shards import gather, take_shard


@pytest.mark.parametrize("shards", [1, 2, 4])
@pytest.mark.parametrize("structure", ["causal_gelu", "bidirectional_last"])
def test_gathered_shards_are_the_whole_sweep(tiny_models, structure, shards):
    study = Study(tiny_models[structure])
    whole = study.sweep("resid", "negate")
    candidates, alignment = study.items, study.alignment
    parts = []
    for shard in range(1, shards + 1):
        study.alignment, study.items = take_shard(alignment, candidates, shard, shards)
        assert 0 < study.items["pair_id"].nunique() < len(PAIRS) or shards == 1
        parts.append(study.sweep("resid", "negate"))
    assert sum(len(part) for part in parts) == len(whole)
    together = gather(parts, candidates)
    pd.testing.assert_frame_equal(together, whole, check_exact=False, atol=1e-11, rtol=0)
    assert whole["s_patched"].std() > 0.1


def test_float32_shards_deviate_by_rounding_only(causal):
    """The bound that the README states: 1e-4 logits at logit scale 20."""
    study = Study(causal)
    study.tiny = type(causal)("float32", causal.model, causal.tower.to(dtype=torch.float32))
    whole = study.sweep("head", "negate")
    candidates, alignment = study.items, study.alignment
    parts = []
    for shard in (1, 2):
        study.alignment, study.items = take_shard(alignment, candidates, shard, 2)
        parts.append(study.sweep("head", "negate"))
    difference = gather(parts, candidates)["s_patched"] - whole["s_patched"]
    assert difference.abs().max() < 1e-4


def test_more_shards_than_pairs_are_refused(causal):
    study = Study(causal)
    with pytest.raises(InputError, match=r"compute\.shards is 9, but there are only 4 pairs"):
        take_shard(study.alignment, study.items, 1, 9)


def test_missing_and_doubled_shards_are_refused(causal):
    study = Study(causal)
    whole = study.sweep("head", "negate")
    for parts in ([whole.iloc[: len(whole) // 2]], [whole, whole]):
        with pytest.raises(InputError, match="do not make up the study"):
            gather(parts, study.items)
