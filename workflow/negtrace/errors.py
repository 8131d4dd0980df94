"""Errors that are the input's fault, worded for the person who can mend it."""

from collections.abc import Sequence

LONGEST = 1000  # characters of a message
NAMES = 10  # in a list


def listed(names: Sequence[object]) -> str:
    """The first names of a list, for a message."""
    return ", ".join(map(str, names[:NAMES])) + (", …" if len(names) > NAMES else "")


def one_line(text: object) -> str:
    """Text without line breaks and control characters; a long one lacks its middle."""
    joined = " ".join(line.strip() for line in str(text).splitlines() if line.strip())
    shown = "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in joined)
    half = LONGEST // 2
    return shown if len(shown) <= LONGEST else f"{shown[:half]} … {shown[-half:]}"


class InputError(ValueError):
    """Bad input; the message names the file, the row or key, and the remedy, in one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
