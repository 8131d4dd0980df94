"""Tokenizers of open_clip, reduced to what aligning sentences needs."""

from __future__ import annotations

from typing import Any

import open_clip

from negtrace.errors import InputError
from negtrace.models.alignment import Tokenizer


def as_tokenizer(made: Any) -> Tokenizer:
    """What negtrace needs of an open_clip tokenizer.

    Raises:
        InputError: it is of an unknown kind.
    """
    if isinstance(made, open_clip.SimpleTokenizer):
        return _byte_pair_tokenizer(made)
    if isinstance(made, open_clip.tokenizer.HFTokenizer) and not made.tokenizer_mode:
        return _hugging_face_tokenizer(made)
    raise InputError(
        f"tokenizers of class {type(made).__name__} are not supported; use what "
        "open_clip.get_tokenizer gives for the model"
    )


def _byte_pair_tokenizer(made: open_clip.SimpleTokenizer) -> Tokenizer:
    def encode(sentence: str) -> list[int]:
        return [made.sot_token_id, *made.encode(sentence), made.eot_token_id]

    def decode(token: int) -> str:
        return str(made.decoder[token]).replace("</w>", "")

    return Tokenizer(encode, decode, start_tokens=1, pad_id=0, own=made)


def _hugging_face_tokenizer(made: open_clip.tokenizer.HFTokenizer) -> Tokenizer:
    inner = made.tokenizer

    def encode(sentence: str) -> list[int]:
        ids = inner(made.clean_fn(sentence)).input_ids
        return [0 if made.strip_sep_token and i == inner.sep_token_id else i for i in ids]

    def decode(token: int) -> str:
        return str(inner.convert_ids_to_tokens(token))

    start_tokens = len(encode("")) - 1  # all that an empty sentence has besides the end token
    return Tokenizer(encode, decode, start_tokens, pad_id=inner.pad_token_id, own=made)
