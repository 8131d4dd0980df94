"""Half precision: near float32, and how near is measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from test_restoration import PAIRS, Study

from negtrace.errors import InputError
from negtrace.patching import restoration
from negtrace.patching.precision import deviation, sample_pairs, whole_deviation


def in_precision(study: Study, dtype: torch.dtype) -> Study:
    tower = study.tiny.tower.to(dtype=dtype)
    study.tiny = type(study.tiny)("cast", study.tiny.model, tower)
    return study


@pytest.mark.parametrize("site", ["resid", "head", "mlp_out"])
def test_bfloat16_is_close_and_its_deviation_measured(causal, site):
    exact = in_precision(Study(causal), torch.float32).sweep(site, "negate")
    lower = in_precision(Study(causal), torch.bfloat16).sweep(site, "negate")
    found = deviation(lower, exact)
    computed = exact["eligible"] & ~exact["known"]
    expected = (lower["s_patched"] - exact["s_patched"])[computed].abs()
    assert found["largest"] == pytest.approx(expected.max())
    assert found["mean"] == pytest.approx(expected.mean())
    assert found["cells"] == computed.sum()
    assert 1e-5 < found["largest"] < 1.5  # of scores up to 20


def test_deviation_compares_the_cells_of_the_sample(causal):
    study = Study(causal)
    table = study.sweep("resid", "negate")
    items = sample_pairs(study.items, 2)
    assert set(items["pair_id"]) == {"pair0", "pair3"}
    assert len(items) == study.items["pair_id"].isin(["pair0", "pair3"]).sum() > 2
    pd.testing.assert_frame_equal(sample_pairs(study.items, 99), study.items)
    sample = table[table["item_id"].isin(items["item_id"])].copy()
    sample["s_patched"] += 0.25
    found = deviation(table, sample)
    assert found["largest"] == pytest.approx(0.25)
    assert found["cells"] == (sample["eligible"] & ~sample["known"]).sum() < len(table)
    assert (found["pairs"], found["of_pairs"]) == (2, len(PAIRS))


def test_shards_make_up_the_deviation_of_the_whole_table(causal):
    """Known cells, which never differ, do not make it look smaller."""
    exact = Study(causal).sweep("resid", "negate")
    noise = np.random.default_rng(0).normal(0, 1, len(exact)) * ~exact["known"]
    lower = exact.assign(s_patched=exact["s_patched"] + noise)
    shard = exact["pair_id"].isin(["pair0", "pair2"])
    parts = [deviation(lower[at], exact[at]) for at in (shard, ~shard)]
    found = whole_deviation(parts)
    assert found == pytest.approx(deviation(lower, exact))
    computed = exact["eligible"] & ~exact["known"]
    assert found["mean"] == pytest.approx(np.abs(noise[computed]).mean())
    assert 0 < parts[0]["cells"] < found["cells"]
    assert (found["pairs"], parts[0]["pairs"]) == (len(PAIRS), 2)
    nothing = {"largest": 0.0, "mean": 0.0, "cells": 0, "pairs": 0, "of_pairs": 0}
    assert whole_deviation([]) == nothing
    assert deviation(lower[:0], exact[:0])["cells"] == 0


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_halves_the_batch_and_goes_on(causal, monkeypatch, error):
    study = Study(causal)
    expected = study.sweep("resid", "negate")
    sizes = []
    real = restoration.sweep_batch

    def cramped(tower, intervention, pairs, *rest):
        sizes.append(len(pairs))
        if len(pairs) > 1:
            raise error
        real(tower, intervention, pairs, *rest)

    monkeypatch.setattr(restoration, "sweep_batch", cramped)
    with pytest.warns(UserWarning, match="out of memory with 4 pairs at once, going on with 2"):
        found = study.sweep("resid", "negate")
    assert sizes == [4, 2, *[1] * len(PAIRS)]
    np.testing.assert_allclose(found["s_patched"], expected["s_patched"], atol=1e-11, rtol=0)


def test_a_pair_too_large_for_memory_is_an_error_with_a_remedy(causal, monkeypatch):
    def full(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(restoration, "sweep_batch", full)
    with (
        pytest.warns(UserWarning, match="out of memory"),
        pytest.raises(InputError, match="a single pair does not fit into memory; use"),
    ):
        Study(causal).sweep("resid", "negate")


def test_other_errors_are_not_swallowed(causal, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(restoration, "sweep_batch", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        Study(causal).sweep("resid", "negate")
