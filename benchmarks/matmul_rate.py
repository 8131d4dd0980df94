"""The machine's matrix-product rate: the yardstick that the engine's share is measured with.

Products have the tower's own sizes, activations [rows, inputs] times weights [outputs, inputs]
transposed, with bias; the best rate of any size counts.  There are two yardsticks: torch's ordinary
`F.linear`, and the best of all ways, which on a CPU is mostly oneDNN with weights that were laid
out for it once (`negtrace.models.linear`) and still lie in the cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F

from negtrace.models.linear import Linear, can_pack
from negtrace.models.tower_shape import TowerShape

ROWS = {"cpu": (512, 1024, 2048, 4096), "cuda": (4096, 16384, 65536)}


ORDINARY, PACKED = "F.linear", "oneDNN, packed weights"


class MatmulRate(NamedTuple):
    """Best sustained rate."""

    gflops: float  # 1e9 floating-point operations per second
    rows: int
    inputs: int
    outputs: int


def synchronize(device: str) -> None:
    """Wait until the device has done what it was told."""
    if device == "cuda":
        torch.cuda.synchronize()


def ways(rows: int, inputs: int, outputs: int, device: str) -> dict[str, Callable[[], object]]:
    """The same product by every way there is on a device."""
    x = torch.randn(rows, inputs, device=device)
    weight = torch.randn(outputs, inputs, device=device)
    bias = torch.randn(outputs, device=device)
    products: dict[str, Callable[[], object]] = {ORDINARY: partial(F.linear, x, weight, bias)}
    if can_pack(weight):
        products[PACKED] = partial(Linear(weight, bias).packed, x)
    return products


def sustained(product: Callable[[], object], device: str, seconds: float) -> float:
    """Mean time of one call, repeated for about `seconds`."""
    product()
    synchronize(device)
    count, began = 0, time.perf_counter()
    while True:
        for _ in range(4):
            product()
        synchronize(device)
        count += 4
        spent = time.perf_counter() - began
        if spent >= seconds:
            return spent / count


@torch.inference_mode()
def matmul_rates(
    shape: TowerShape, device: str = "cpu", seconds: float = 0.1
) -> dict[str, MatmulRate]:
    """Best float32 rate of each way over the products of a block, at several numbers of rows."""
    w, u = shape.width, shape.mlp_width
    best: dict[str, MatmulRate] = {}
    for rows in ROWS[device]:
        for inputs, outputs in ((w, 3 * w), (w, w), (w, u), (u, w)):
            for way, product in ways(rows, inputs, outputs, device).items():
                spent = sustained(product, device, seconds)
                rate = MatmulRate(2e-9 * rows * inputs * outputs / spent, rows, inputs, outputs)
                best[way] = max(best.get(way, rate), rate)
    return best
