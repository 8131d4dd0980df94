"""Faults of a tokenised sentence: why a text tower cannot read it as it would be traced."""

from __future__ import annotations

from collections.abc import Sequence

from negtrace.models.tower_shape import TowerShape


def longest_sentence(shape: TowerShape) -> int:
    """Tokens that a sentence may have, start token and EOT included."""
    # A class token sees one padding token, so a sentence may not fill the context.
    return shape.context_length - (shape.pool == "class")


def pooled_position(tokens: Sequence[int], shape: TowerShape) -> int:
    """Where a tower that pools at EOT reads a sentence out, as open_clip finds the place.

    Args:
        tokens: start token to EOT.
    """
    ids = [*tokens, shape.pad_id] if len(tokens) < shape.context_length else list(tokens)
    end = max(ids) if shape.eos_id is None else shape.eos_id
    return ids.index(end) if end in ids else 0


def sentence_fault(tokens: Sequence[int], shape: TowerShape) -> str | None:
    """Why a tower cannot read a sentence, in a few words; None if it can.

    Args:
        tokens: start token to EOT.
    """
    longest, known = longest_sentence(shape), shape.vocab_size - (shape.pool == "class")
    if len(tokens) > longest:
        return (
            f"it has {len(tokens)} tokens, but the model reads at most {longest}, start and end "
            "token included"
        )
    if max(tokens) >= known:
        return (
            f"the tokenizer gives it token {max(tokens)}, but the model has {known} token "
            "embeddings (another model's tokenizer?)"
        )
    if shape.hides_padding and shape.pad_id in tokens:
        return "it holds the padding token, which the model does not see"
    if shape.pool != "eot":
        return None
    pooled = pooled_position(tokens, shape)
    if pooled != len(tokens) - 1:
        sought = "the largest token id" if shape.eos_id is None else f"token {shape.eos_id}"
        return (
            f"the model reads it out at its token {pooled + 1} ({sought}), not at its last, "
            f"{len(tokens)}"
        )
    if tokens[-1] == shape.pad_id:
        return "its end token is the padding token too, so that its end cannot be told"
    return None
