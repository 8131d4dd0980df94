"""Both ways to the same product: oneDNN with packed weights, and torch's ordinary one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from negtrace.models.linear import FEW_ROWS, FUSED, Linear, can_pack, packed_pays

REFERENCE = {
    "none": lambda x: x,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
}


def made(activation: str, scale: float, dtype: torch.dtype) -> Linear:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(48, 24, generator=generator, dtype=dtype) / 5
    bias = torch.randn(48, generator=generator, dtype=dtype)
    return Linear(weight, bias, scale, activation)


def expected(linear: Linear, x: torch.Tensor) -> torch.Tensor:
    product = linear.scale * x.double() @ linear.weight.double().T + linear.bias.double()
    return REFERENCE[linear.activation](product)


def test_every_fused_activation_is_compared():
    assert set(REFERENCE) == set(FUSED)


@pytest.mark.parametrize("shape", [(1, 24), (7, 24), (300, 24), (3, 5, 24), (2, 3, 5, 24)])
@pytest.mark.parametrize("scale", [1.0, 0.6, 2.0])
@pytest.mark.parametrize("activation", FUSED)
def test_float32_by_either_way_is_the_definition(activation, scale, shape):
    linear = made(activation, scale, torch.float32)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    right = expected(linear, x)
    assert right.abs().mean() > 0.3
    found = {"as this machine does it": linear(x), "ordinary": linear.ordinary(x)}
    if can_pack(linear.weight):
        found["packed"] = linear.packed(x)
    with torch.backends.mkldnn.flags(enabled=False):
        assert not can_pack(linear.weight)
        found["without oneDNN"] = linear(x)
    for way, result in found.items():
        assert result.shape == right.shape
        assert (result - right).abs().max() < 1e-5, way


@pytest.mark.parametrize(
    ("capability", "few", "many"), [("AVX512", "packed", "packed"), ("AVX2", "packed", "ordinary")]
)
def test_the_processor_and_the_rows_choose_the_product(monkeypatch, capability, few, many):
    """Not the clock: what ran before has no part in it."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    linear = made("silu", 1.702, torch.float32)
    if not can_pack(linear.weight):
        pytest.skip("torch has no oneDNN here")
    for rows, way in ((FEW_ROWS, few), (FEW_ROWS + 1, many)):
        assert packed_pays(rows) == (way == "packed")
        x = torch.randn(rows, 24, generator=torch.Generator().manual_seed(1))
        assert torch.equal(linear(x), getattr(linear, way)(x))


@pytest.mark.parametrize("activation", FUSED)
def test_float64_keeps_its_precision(activation):
    linear = made(activation, 1.702, torch.float64)
    assert not can_pack(linear.weight)
    x = torch.randn(30, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert (linear(x) - expected(linear, x)).abs().max() < 1e-13


def test_rows_do_not_depend_on_their_neighbours():
    """What is computed in batches is what would be computed alone, but for rounding."""
    linear = made("silu", 1.702, torch.float32)
    x = torch.randn(500, 24, generator=torch.Generator().manual_seed(1))
    together, alone = linear(x), torch.cat([linear(row[None]) for row in x])
    assert (together - alone).abs().max() < 1e-5


def test_slices_of_a_tensor_are_read_in_place_or_copied_right():
    linear = made("none", 1.0, torch.float32)
    x = torch.randn(20, 6, 48, generator=torch.Generator().manual_seed(1))[:, ::2, 24:]
    assert not x.is_contiguous()
    assert (linear(x) - expected(linear, x)).abs().max() < 1e-5
