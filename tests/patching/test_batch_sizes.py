"""Batches fit the memory budget they are given, on every device."""

from __future__ import annotations

import pytest
import torch

from negtrace.errors import InputError
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.batch_sizes import ROWS_PER_PRODUCT, batch_sizes, smaller_batch
from negtrace.patching.forward_passes import run_bytes, run_sentences

VIT_B_32 = TowerShape(
    width=512,
    heads=8,
    layers=12,
    mlp_width=2048,
    context_length=77,
    vocab_size=49408,
    embed_dim=512,
)
GIB = 2**30


def test_run_bytes_are_those_of_a_run(causal):
    sentence = [58, 1, 2, 3, 59]
    run = run_sentences(causal.tower, [sentence] * 3)
    stored = sum(t.numel() * t.itemsize for t in run[:5])
    assert 3 * run_bytes(causal.tower.shape, len(sentence), 8) == stored


@pytest.mark.parametrize("device", ROWS_PER_PRODUCT)
@pytest.mark.parametrize("memory_gb", [0.25, 2, 16])
@pytest.mark.parametrize("cells", [13, 96])
def test_both_halves_of_the_budget_are_kept_and_used(cells, memory_gb, device):
    longest, itemsize = 12, 4
    found = batch_sizes(VIT_B_32, cells, longest, itemsize, memory_gb, device)
    half = memory_gb * GIB / 2
    pair = 2 * longest * 512 * itemsize * (13 + 12 * 6)  # hidden states; q, k, v, z and outputs
    assert found.pairs * pair <= half < (found.pairs + 1) * pair
    row = (2 * cells * 512 + 2 * 2048 + 8 * 512) * itemsize  # states twice, temporaries
    assert found.rows * row <= half
    assert found.rows == ROWS_PER_PRODUCT[device] or half < (found.rows + 1) * row


def test_a_gpu_has_larger_products_but_no_larger_budget():
    arguments = (VIT_B_32, 13, 12, 4)
    assert batch_sizes(*arguments, 2, "cpu").rows == 2048
    assert batch_sizes(*arguments, 64, "cuda").rows == 65536
    assert 2048 < batch_sizes(*arguments, 2, "cuda").rows < 65536
    assert batch_sizes(*arguments, 2, "cuda").pairs == batch_sizes(*arguments, 2, "cpu").pairs > 100


@pytest.mark.parametrize("memory_gb", [0, 1e-9])
def test_there_is_always_a_pair_and_a_row(memory_gb):
    assert batch_sizes(VIT_B_32, 96, 12, 4, memory_gb, "cpu") == (1, 1)


NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", NO_MEMORY)
@pytest.mark.parametrize(("size", "half"), [(9, 4), (2, 1), (3, 1)])
def test_want_of_memory_halves_the_batch(error, size, half):
    with pytest.warns(UserWarning, match=f"with {size} pairs at once, going on with {half}"):
        assert smaller_batch(size, error) == half


@pytest.mark.parametrize("error", NO_MEMORY)
def test_a_single_pair_cannot_be_halved(error):
    with pytest.raises(InputError, match=r"a single pair does not fit .* compute\.device: cpu"):
        smaller_batch(1, error)


def test_other_errors_are_raised_again():
    error = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError) as raised:
        smaller_batch(8, error)
    assert raised.value is error
