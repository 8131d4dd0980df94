"""Tokens of words: which tokens of a sentence a stretch of its characters is cut into."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def tokens_at(
    sentence: str,
    at: str,
    ids: Sequence[int],
    encode: Callable[[str], Sequence[int]],
    start_tokens: int,
) -> list[int] | None:
    """Positions of the tokens of stretches of a sentence.

    What stands before a stretch, and up to its end, is cut by itself: as long as that gives the
    sentence's own first tokens, the tokens between are the stretch's.

    Args:
        at: ``start-end`` in characters of each stretch, separated by blanks.
        ids: of the whole sentence, start token to EOT.
        encode: as `alignment.Tokenizer` has it.
        start_tokens: 0 or 1.

    Returns:
        None if the tokenizer cuts a stretch otherwise in its sentence than where it ends one.
    """
    found: list[int] = []
    for stretch in at.split():
        start, end = map(int, stretch.split("-"))
        before = _head(sentence[:start].rstrip(), ids, encode, start_tokens)
        until = _head(sentence[:end], ids, encode, start_tokens)
        if before is None or until is None or before >= until:
            return None
        found += range(before, until)
    return found


def _head(
    text: str, ids: Sequence[int], encode: Callable[[str], Sequence[int]], start_tokens: int
) -> int | None:
    """How many of a sentence's first tokens its first words are; None if they are cut otherwise."""
    if not text:
        return start_tokens
    cut = [int(token) for token in encode(text)][:-1]
    return len(cut) if cut == list(ids[: len(cut)]) else None
