"""The count against hand-worked numbers and against torch's own counter."""

from __future__ import annotations

import pytest
import torch
from flops import attention_flops, cell_flops, own_rows, pass_flops, run_flops
from subject import random_tower
from torch.utils.flop_counter import FlopCounterMode

from negtrace.models.tower_shape import TowerShape
from negtrace.patching.forward_passes import run_sentences

SHAPE = TowerShape(
    width=4,
    heads=2,
    layers=2,
    mlp_width=8,
    context_length=6,
    vocab_size=9,
    embed_dim=3,
    activation="quick_gelu",
)


def test_attention_counts_only_keys_that_a_row_sees():
    # Rows at positions 3 and 4 of 5 see 4 and 5 keys; 4 operations per key and feature.
    assert attention_flops(SHAPE, rows=2, length=5) == 4 * 4 * (4 + 5)


def test_cell_by_hand():
    # One row of a sentence of 3: block 2 is the last and reads one row; then the read-out.
    attention, out, mlp = 4 * 4 * 3, 2 * 16, 4 * 4 * 8
    read_out = 2 * 4 * 3
    assert cell_flops(SHAPE, "resid", 1, rows=1, length=3) == attention + out + mlp + read_out
    assert cell_flops(SHAPE, "mlp_out", 2, rows=1, length=3) == read_out
    last = 4 * 16 + 2 * 16 + attention + out + mlp
    assert pass_flops(SHAPE, 2, rows=1, length=3) == last
    head = 2 * 2 * 4 + mlp
    assert cell_flops(SHAPE, "head", 1, rows=1, length=3) == head + last + read_out


def test_later_patches_cost_less():
    costs = [cell_flops(SHAPE, "resid", layer, 2, 5) for layer in range(SHAPE.layers)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] > 0


def test_shared_prefixes_count_once():
    runs = list(own_rows([[1, 2, 3, 9], [1, 2, 4, 5, 9], [1, 2, 3, 9], [1, 2, 3, 8]]))
    # Three distinct sentences: all of 1 2 3 8, then 9 behind 1 2 3, then 4 5 9 behind 1 2.
    assert runs == [(4, 4), (1, 4), (3, 5)]


def test_unknown_site_is_refused():
    with pytest.raises(ValueError, match="not counted"):
        cell_flops(SHAPE, "nowhere", 1, 1, 3)


def test_run_agrees_with_torch_but_for_attention_and_last_block():
    tower = random_tower(SHAPE)
    ordinary = torch.backends.mkldnn.flags(enabled=False)  # torch counts no oneDNN products
    with ordinary, FlopCounterMode(display=False) as counter, torch.inference_mode():
        run_sentences(tower, [[1, 2, 3, 4, 5]])
    products = sum(
        count
        for operation, count in counter.get_flop_counts()["Global"].items()
        if "addmm" in str(operation) or str(operation) == "aten.mm"
    )
    n, square = 5, SHAPE.width**2
    unneeded = (n - 1) * (4 * square + 4 * SHAPE.width * SHAPE.mlp_width)  # of the last block
    attention = attention_flops(SHAPE, n, n) + attention_flops(SHAPE, 1, n)
    assert products - unneeded == run_flops(SHAPE, n, n) - attention
