"""Errors that are the input's fault, worded for the person who can mend it."""


class InputError(ValueError):
    """Bad input; the message names the file, the row or key, and the remedy."""
