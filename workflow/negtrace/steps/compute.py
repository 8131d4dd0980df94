"""Options of steps that run a model, and the text tower that they name."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import torch

from negtrace.tower import TextTower, available_device, full_precision, load_tower
from negtrace.tower_check import check_tower

COMPUTE = {"tower": Path, "dtype": str, "device": str, "memory_mb": int, "threads": int}


def device_of(options: Namespace) -> str:
    """The device to compute on, with as many threads as the job has and in full precision.

    Raises:
        InputError: the device is not there.
    """
    torch.set_num_threads(options.threads)
    full_precision()
    return available_device(options.device)


def tower_of(options: Namespace) -> TextTower:
    """The text tower, where and in the precision in which it is to be computed.

    Raises:
        InputError: no tower there, a damaged one, or no such device.
    """
    check_tower(options.tower)
    return load_tower(options.tower, options.dtype, device_of(options))
