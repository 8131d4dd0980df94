"""How a job runs a model: precision, device, memory and threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from negtrace.models.tower import TextTower


@dataclass(frozen=True)
class Compute:
    """The configuration's section ``compute``, as one job gets it."""

    dtype: str
    device: str
    memory_mb: int
    threads: int

    @property
    def memory_gb(self) -> float:
        return self.memory_mb / 1024

    def tower(self, files: Sequence[Path]) -> TextTower:
        """The text tower in these files, where and in the precision in which it is computed.

        Raises:
            InputError: no tower there, or no such device.
        """
        return _tower(files[0].parent, self.dtype, prepared(self.device, self.threads))


@lru_cache(maxsize=1)
def _tower(folder: Path, dtype: str, device: str) -> TextTower:
    """Loaded once by a job that makes several tables with it."""
    from negtrace.models.tower_file import load_tower

    return load_tower(folder, dtype, device)


def prepared(device: str, threads: int) -> str:
    """The device to compute on, with as many threads as the job has, in full precision.

    Raises:
        InputError: the device is not there.
    """
    import torch

    from negtrace.models.device import available_device, full_precision

    torch.set_num_threads(threads)
    full_precision()
    return available_device(device)
