"""Safe pickle: read what ``torch.save`` wrote without running any code of the file.

torch's own restricted unpickler does the reading.  Tensors and numpy's arrays and scalars become
what they are; everything else beside them (Namespaces, paths, dates, whole modules) becomes a
record of its attributes, whatever class it was.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import warnings
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy._core import multiarray

# Pickles at the head of a file of torch before 1.6: magic number, version, system, then the object.
LEGACY_PICKLES = 4

_NUMPY = [
    *(
        (getattr(multiarray, name), f"numpy.{core}.multiarray.{name}")
        for core in ("core", "_core")
        for name in ("scalar", "_reconstruct")
    ),
    np.ndarray,
    np.dtype,
    *(getattr(np.dtypes, name) for name in np.dtypes.__all__),
]


class Record:
    """Stands for an object of any class: its items and attributes, none of its code."""

    def __new__(cls, *arguments: Any) -> Any:
        return OrderedDict()  # the one kind that takes items and state


class Opaque:
    """Stands for an object whose state is no mapping, or that is a key of one."""

    def __new__(cls, *arguments: Any) -> Opaque:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        self.state = state


def read_pickle(path: Path) -> tuple[Any, frozenset[str]]:
    """What a file of ``torch.save`` holds, and the full names of all classes in it.

    Raises:
        pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OSError, ...: it cannot be read.
    """
    names = frozenset(_names(path))
    zipped = zipfile.is_zipfile(path)
    for stand_in in (Record, Opaque):
        allowed = [*_NUMPY, *((stand_in, name) for name in names if not name.startswith("numpy."))]
        try:
            with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return torch.load(path, "cpu", weights_only=True, mmap=zipped), names
        except (TypeError, ValueError, pickle.UnpicklingError) as error:
            if stand_in is Opaque:
                # torch's own words end in advice on its interface, which no user of ours calls.
                raise pickle.UnpicklingError(_reason(str(error))) from error
    raise AssertionError("unreachable")


def _reason(text: str) -> str:
    lines = [line.rpartition("WeightsUnpickler error: ") for line in text.splitlines()]
    said = [rest for _, mark, rest in lines if mark or "GLOBAL" in rest]
    return said[0] if said else "not what torch.save writes"


def _names(path: Path) -> Iterator[str]:
    """Names of all globals, under the spelling of Python 3."""
    for content in _pickles(path):
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name == "GLOBAL" and argument:
                module, name = argument.split(" ", 1)
                module, name = NAME_MAPPING.get((module, name), (module, name))
                yield f"{IMPORT_MAPPING.get(module, module)}.{name}"
            if opcode.name == "STOP":
                break


def _pickles(path: Path) -> Iterator[IO[bytes]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("/data.pkl"):
                    yield io.BytesIO(archive.read(name))
        return
    with path.open("rb") as file:
        for _ in range(LEGACY_PICKLES):
            yield file
