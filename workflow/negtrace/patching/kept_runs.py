"""Kept runs: forward passes of the same sentences are made once while a context lasts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

# Of the memory for a batch's activations, how much more kept runs may take.
SHARE = 0.25
_CONTEXT: ContextVar[_Kept | None] = ContextVar("kept_runs", default=None)


@contextmanager
def runs_kept(memory_gb: float) -> Iterator[None]:
    """While it lasts, `run_sentences` gives the same run of the same sentences and tower again.

    Nobody may write into a run; the tower may not be changed.

    Args:
        memory_gb: as in `restoration.sweep`; runs take up to `SHARE` of it more.
    """
    token = _CONTEXT.set(_Kept(memory_gb * SHARE * 2**30))
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def kept_or_made(key: tuple[Hashable, ...], make: Callable[[], Any]) -> Any:
    """What was made with this key before in this context; without one, made anew.

    Args:
        make: gives a tuple of tensors.
    """
    kept = _CONTEXT.get()
    return make() if kept is None else kept.get(key, make)


class _Kept:
    """Runs by key up to a size; those that were asked for longest ago go first."""

    def __init__(self, room: float) -> None:
        self._room = room  # bytes that are left
        self._runs: OrderedDict[tuple[Hashable, ...], Any] = OrderedDict()

    def get(self, key: tuple[Hashable, ...], make: Callable[[], Any]) -> Any:
        if key in self._runs:
            self._runs.move_to_end(key)
            return self._runs[key]
        run = make()
        size = _bytes(run)
        while self._runs and size > self._room:
            self._room += _bytes(self._runs.popitem(last=False)[1])
        if size <= self._room:
            self._room -= size
            self._runs[key] = run
        return run


def _bytes(run: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in run)
