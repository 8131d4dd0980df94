"""Sentences as words: cleaned as tokenizers clean them, cut into words and punctuation marks."""

from __future__ import annotations

import html
import re
from functools import cache

import ftfy

_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*|[^\w\s]")


@cache
def cleaned(sentence: str) -> str:
    """A sentence as open_clip's tokenizers read it, up to capitals.

    Broken encodings, curly quotes and control characters are mended, HTML entities replaced, and
    any white space is one blank.
    """
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(sentence))).split())


def words(sentence: str) -> tuple[str, ...]:
    """Words and punctuation marks in lower case; "people's" and "no-one" are one word each."""
    return tuple(_WORD.findall(sentence.lower()))


def characters(sentence: str, places: range | tuple[int, ...]) -> str | None:
    """Where words lie in a sentence: ``start-end`` of each run of them, separated by blanks.

    Args:
        places: indices into `words`, in order.

    Returns:
        None if there are no places, or small letters take another number of characters.
    """
    spans = [match.span() for match in _WORD.finditer(sentence)]
    if not places or len(sentence.lower()) != len(sentence) or len(spans) != len(words(sentence)):
        return None
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][1] == place - 1:
            runs[-1][1] = place
        else:
            runs.append([place, place])
    return " ".join(f"{spans[first][0]}-{spans[last][1]}" for first, last in runs)
