"""Errors that are the input's fault, worded for the person who can mend it."""


def one_line(text: object) -> str:
    """Text without line breaks, control characters and lone surrogates, for a message."""
    joined = " ".join(line.strip() for line in str(text).splitlines() if line.strip())
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in joined)


class InputError(ValueError):
    """Bad input; the message names the file, the row or key, and the remedy, in one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
