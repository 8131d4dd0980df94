"""Messages: long lists and other libraries' errors, cut to what fits into one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

MOST_NAMES = 10
MOST_CHARACTERS = 200

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def listed(names: Iterable[object], most: int = MOST_NAMES) -> str:
    """Names with commas between them; of more than `most`, how many there are besides."""
    shown = [one_line(name) for name in names]
    more = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {more} more" if more > 0 else "")


def one_line(text: object, most: int = MOST_CHARACTERS) -> str:
    """A text or an error without escape codes and line breaks; a long one lacks its middle.

    Both ends count: a message begins with the place and closes with the remedy.
    """
    plain = " ".join(_ESCAPES.sub("", str(text) or type(text).__name__).split())
    plain = "".join(c if c.isprintable() else "\ufffd" for c in plain)
    half = (most - 3) // 2
    return plain if len(plain) <= most else f"{plain[:half]} … {plain[-half:]}"


def did_you_mean(wrong: Any, allowed: Iterable[Any]) -> str:
    """A hint at the closest allowed words, three at most, or nothing."""
    close = get_close_matches(str(wrong), [str(word) for word in allowed], cutoff=0.5)
    return f", did you mean {' or '.join(map(repr, close))}?" if close else ""
