"""Swaps whose result is known beforehand."""

from __future__ import annotations

import pytest
from conftest import alignment_table, items_of, random_images

from negtrace.patching.interventions import Intervention
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import scores, sentence_embeddings
from negtrace.statistics.certificate import certificate, self_swaps, whole_pairs
from negtrace.vocabulary import SOURCE_OF

SCALE = 30.0
PAIRS = [([58, 1, 2, 3, k, 59], [58, 1, 2, 4, k, 59]) for k in range(10, 14)]
PAIRS += [([58, 1, 2, 3, 20, 59], [58, 1, 2, 20, 59])]  # the negator was inserted


@pytest.fixture(params=["negate", "affirm"])
def swept(request, causal):
    """Self-swaps, whole swaps and the scores of the pairs."""
    shape = causal.tower.shape
    alignment, items = alignment_table(PAIRS, shape), items_of(len(PAIRS), 2)
    images = random_images(items, shape.embed_dim)
    sentences = sentence_embeddings(causal.tower, alignment)
    own = scores(items, sentences, images, SCALE)
    source = SOURCE_OF[request.param]
    tables = self_swaps(alignment, source), items, images, self_swaps(own, source)
    still = sweep(causal.tower, *tables, "resid", request.param, SCALE)
    assert whole_pairs(alignment).tolist() == [f"pair{k}" for k in range(4)]
    whole = items[items["pair_id"].isin(whole_pairs(alignment))].reset_index(drop=True)
    everywhere = Intervention("resid", positions="all")
    moved = sweep(causal.tower, alignment, whole, images, own, everywhere, request.param, SCALE)
    return still, moved, own


def test_the_engine_passes(swept):
    table = certificate(*swept, tolerance=1e-9).set_index("check")
    assert table["passed"].all()
    assert table.loc["a self-swap changes nothing", "largest"] == 0
    whole = table.loc["a whole swap gives the source run"]
    assert whole["largest"] < 1e-9
    assert 0 < whole["computed"] < whole["cells"]
    assert table.loc["a whole swap is not the base run", "smallest"] > 1e-3


def test_a_patch_that_never_takes_hold_fails(swept):
    still, moved, own = swept
    base = {"negate": "s_affirmative", "affirm": "s_negated"}[moved["direction"].iloc[0]]
    idle = moved.assign(s_patched=own.set_index("item_id").loc[moved["item_id"], base].to_numpy())
    passed = certificate(still, idle, own, tolerance=1e-9)["passed"]
    assert passed.tolist() == [True, False, False]


def test_a_self_swap_that_changes_something_fails(swept):
    still, moved, own = swept
    still = still.assign(s_patched=still["s_patched"] + 1e-12)
    assert certificate(still, moved, own)["passed"].tolist() == [False, True, True]


def test_nothing_is_certified_by_no_cell(swept):
    still, moved, own = swept
    assert not certificate(still[:0], moved[:0], own)["passed"].any()
    filled = certificate(still, moved[moved["known"]], own)["passed"]
    assert filled.tolist() == [True, False, False]
