"""Values that no key of the configuration may hold, whatever its schema says."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from negtrace.errors import InputError

LONGEST_TEXT = 4096  # of a path on Linux
LONGEST_PART_BYTES = 255  # of a file's name
LARGEST_NUMBER = 2**53  # beyond it floats skip whole numbers
DEEPEST = 12


def check_values(config: Any) -> None:
    """Refuse control characters, lone surrogates, endless text and numbers, keys that are no text.

    Raises:
        InputError: names the key.
    """
    for key, value in _leaves(config, ()):
        if fault := value_fault(value):
            raise InputError(f"configuration: {key or 'the top level'} {fault}")


def value_fault(value: Any) -> str | None:
    """What is wrong with a single value, or None."""
    if isinstance(value, str):
        odd = next((c for c in value if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")), None)
        if odd is not None:
            return f"holds the character {odd!a}; remove it (a line break at the end, perhaps)"
        if len(value) > LONGEST_TEXT:
            return f"has {len(value)} characters, but may have at most {LONGEST_TEXT}"
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value):
        return f"is {value}, but must be a finite number"
    if abs(value) > LARGEST_NUMBER:
        return f"is beyond {LARGEST_NUMBER}, the largest number that a key may hold"
    return None


def path_fault(path: str) -> str | None:
    """Why no file system can hold such a path, or None."""
    longest = max(len(part.encode()) for part in path.split("/"))
    if longest > LONGEST_PART_BYTES:
        return f"has a name of {longest} bytes, and {LONGEST_PART_BYTES} are the most"
    return None


def shown(value: Any) -> str:
    """A value in a message: at most 80 characters, one line."""
    text = " ".join(ascii(value).split() if not isinstance(value, str) else repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _leaves(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """(key, value) of everything that is no mapping and no list."""
    where = ".".join(place)
    if len(place) > DEEPEST:
        raise InputError(f"configuration: {where[:80]} is nested too deeply")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InputError(
                    f"configuration: {where or 'the top level'} has the key {shown(key)}, which is "
                    "no text; put it in quotes"
                )
            if value_fault(key) or len(key) > LONGEST_PART_BYTES:
                raise InputError(
                    f"configuration: {where or 'the top level'} has the key {shown(key)}, which no "
                    "key can be: control characters, or too long"
                )
            yield from _leaves(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*place, str(number)))
    else:
        yield where, value
