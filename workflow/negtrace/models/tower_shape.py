"""TowerShape: sizes and conventions of a text tower, all but its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

Activation = Literal["gelu", "gelu_tanh", "quick_gelu"]
Pooling = Literal["eot", "first", "last", "class", "mean"]
ReadOut = Literal["gelu", "tanh"]


@dataclass(frozen=True)
class TowerShape:
    """Everything about a text tower but its weights.

    Attributes:
        width: size of the residual stream.
        heads: attention heads per block.
        layers: number of blocks L.
        mlp_width: hidden size of each block's MLP.
        context_length: most tokens a sentence may have, SOT and EOT included.
        vocab_size: rows of the token embedding.
        embed_dim: size of the sentence embedding.
        activation: the MLP's non-linearity.
        causal: whether a position sees only itself and earlier positions.
        pool: which position is read out: the EOT token, the first, the last of the context, or a
            class token behind it (CoCa's: it sees the sentence and one padding token, not itself);
            or the mean over all tokens.
        ln_eps: epsilon of every LayerNorm.
        pad_id: token that fills a sentence up to the context length.
        eos_id: token whose first place ``eot`` means; None: the token of the largest id.
        hides_padding: whether no position sees padding, so that sentences end at their EOT.
        post_norm: whether a sublayer adds its output to the norm that it reads (BERT) rather than
            to the residual stream as it is (CLIP).
        read_out: non-linearities of the layers between pooling and projection, in order.
    """

    width: int
    heads: int
    layers: int
    mlp_width: int
    context_length: int
    vocab_size: int
    embed_dim: int
    activation: Activation = "gelu"
    causal: bool = True
    pool: Pooling = "eot"
    ln_eps: float = 1e-5
    pad_id: int = 0
    eos_id: int | None = None
    hides_padding: bool = False
    post_norm: bool = False
    read_out: tuple[ReadOut, ...] = ()

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    @property
    def class_id(self) -> int:
        """Token id of the class token: the last row of the token embedding."""
        return self.vocab_size - 1

    @property
    def reads_whole_context(self) -> bool:
        """Whether the padding behind a sentence can matter, so that none of it may be cut off."""
        return not (self.hides_padding or (self.causal and self.pool in ("eot", "class")))

    def complete(self, tokens: Sequence[int]) -> list[int]:
        """A sentence, start token to EOT, with all that can matter behind it."""
        tokens = list(tokens)
        if self.pool == "class":
            return [*tokens, self.pad_id, self.class_id]
        if self.reads_whole_context:
            return tokens + [self.pad_id] * (self.context_length - len(tokens))
        return tokens

    def hidden_keys(self, tokens: Int[Tensor, "*batch n"]) -> Bool[Tensor, "*batch n"]:
        """Keys that no query sees.

        A tower with a class token (CoCa's) hides what stands behind a padding token, wherever that
        is: the class token itself, and in a sentence that holds the padding token's id, the next.
        One that hides padding hides what fills a batch.
        """
        if self.hides_padding:
            return tokens == self.pad_id
        hidden = torch.zeros_like(tokens, dtype=torch.bool)
        if self.pool == "class":
            hidden[..., 1:] = tokens[..., :-1] == self.pad_id
        return hidden

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TowerShape:
        known = {field.name for field in fields(cls)}
        stored = {key: value for key, value in values.items() if key in known}
        return cls(**stored | {"read_out": tuple(stored.get("read_out", ()))})
