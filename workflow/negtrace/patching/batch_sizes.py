"""Batch sizes: how many pairs and rows at once a memory budget has room for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch

from negtrace.errors import InputError
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.forward_passes import run_bytes

# Rows (tokens) per matrix product: enough to feed the BLAS, few enough to stay in the caches.
ROWS_PER_PRODUCT = {"cpu": 2048, "cuda": 65536}


class BatchSizes(NamedTuple):
    """What is computed at once."""

    pairs: int  # whose runs are kept
    rows: int  # of a tail, and of a matrix product


def batch_sizes(
    shape: TowerShape, cells: int, longest: int, itemsize: int, memory_gb: float, device_type: str
) -> BatchSizes:
    """Half of the budget for runs, half for a tail's states and a product's temporaries.

    Args:
        cells: patched states of every row that are kept at once.
        longest: tokens of the longest sentence.
        itemsize: bytes per number.
        device_type: ``cpu`` or ``cuda``.
    """
    half = memory_gb * 2**30 / 2
    # A block's new states are made beside the others; MLP and attention have temporaries.
    row = (2 * cells * shape.width + 2 * shape.mlp_width + 8 * shape.width) * itemsize
    pair = 2 * run_bytes(shape, longest, itemsize)
    rows = min(ROWS_PER_PRODUCT[device_type], int(half / row))
    return BatchSizes(pairs=max(1, int(half / pair)), rows=max(1, rows))


T = TypeVar("T")


def in_batches(
    items: Sequence[T], size: int, compute: Callable[[Sequence[T], int], None], bar: Any
) -> None:
    """Compute `size` items at once, fewer where memory does not last.

    Args:
        compute: of some items, and the index of the first of them.
        bar: of `progress.bar`; closed afterwards.
    """
    start = 0
    while start < len(items):
        batch = items[start : start + size]
        try:
            compute(batch, start)
        except RuntimeError as error:
            size = smaller_batch(len(batch), error)
            continue
        start += len(batch)
        bar.update(len(batch))
    bar.close()


def smaller_batch(size: int, error: RuntimeError) -> int:
    """Half the batch size after an error for want of memory; raises any other error again.

    Raises:
        InputError: a single pair does not fit.
    """
    on_cpu = "allocate memory" in str(error)
    if not (isinstance(error, torch.OutOfMemoryError) or on_cpu):
        raise error
    if size == 1:
        raise InputError(
            "a single pair does not fit into memory; use a larger machine, or compute.device: cpu"
        ) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    warnings.warn(
        f"out of memory with {size} pairs at once, going on with {size // 2}", stacklevel=2
    )
    return size // 2
