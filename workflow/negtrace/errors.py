"""Errors that are the input's fault, worded for the person who can mend it."""

from __future__ import annotations

from negtrace.messages import one_line

LONGEST = 1000  # characters of a message


class InputError(ValueError):
    """Bad input; the message names the file, the row or key, and the remedy, in one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, LONGEST))
