"""The machine's matrix-product rate: the yardstick that the engine's share is measured with.

Products have the tower's own sizes, activations [rows, inputs] times weights [outputs, inputs]
transposed, with bias, as `F.linear` computes them; the best rate of any size counts.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import torch
import torch.nn.functional as F

from negtrace.tower import TowerShape

ROWS = {"cpu": (512, 1024, 2048, 4096), "cuda": (4096, 16384, 65536)}


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


def product_seconds(rows: int, inputs: int, outputs: int, device: str, seconds: float) -> float:
    """Mean time of one product, sustained for about `seconds`."""
    x = torch.randn(rows, inputs, device=device)
    weight = torch.randn(outputs, inputs, device=device)
    bias = torch.randn(outputs, device=device)
    F.linear(x, weight, bias)
    synchronize(device)
    count, began = 0, time.perf_counter()
    while True:
        for _ in range(4):
            F.linear(x, weight, bias)
        synchronize(device)
        count += 4
        spent = time.perf_counter() - began
        if spent >= seconds:
            return spent / count


@torch.inference_mode()
def matmul_rate(shape: TowerShape, device: str = "cpu", seconds: float = 0.1) -> MatmulRate:
    """Best float32 rate over the products of a block, at several numbers of rows."""
    w, u = shape.width, shape.mlp_width
    best = MatmulRate(0.0, 0, 0, 0)
    for rows in ROWS[device]:
        for inputs, outputs in ((w, 3 * w), (w, w), (w, u), (u, w)):
            spent = product_seconds(rows, inputs, outputs, device, seconds)
            gflops = 2e-9 * rows * inputs * outputs / spent
            if gflops > best.gflops:
                best = MatmulRate(gflops, rows, inputs, outputs)
    return best
