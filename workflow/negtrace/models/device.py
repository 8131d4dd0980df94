"""The device that a job computes on, and how exactly."""

from __future__ import annotations

import torch

from negtrace.errors import InputError


def available_device(name: str) -> str:
    """``cpu`` or ``cuda``; ``auto`` takes CUDA if there is one.

    Raises:
        InputError: CUDA is asked for and there is none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("compute.device is cuda, but torch finds no CUDA device; use auto or cpu")
    return name


def full_precision() -> None:
    """Keep CUDA from rounding float32 products to TF32."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
