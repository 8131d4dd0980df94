"""TextTower: the weights and shape of a CLIP-family text encoder, and one block in its pieces.

Blocks are numbered 1..L.  Block l reads hidden state l-1 and writes hidden state l::

    attn_out = W_O z + b,  z = concat over heads of softmax(q k^T / sqrt(d)) v
    mid      = skip(resid[l-1]) + attn_out,  q, k and v being products of norm_1(resid[l-1])
    resid[l] = skip(mid) + mlp_out,          a function of norm_2(mid)

What the skip connection carries is the stream itself (pre-norm), or what the sublayer reads
(post-norm, as in BERT): there hidden states are sums before their LayerNorm, which is the next
sublayer's norm, and behind block L `ln_final`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from negtrace.models.linear import Linear
from negtrace.models.tower_shape import ReadOut, TowerShape
from negtrace.models.tower_weights import BLOCK_WEIGHTS, check_weights

Part = Literal["q", "k", "v"]
PARTS: tuple[Part, ...] = ("q", "k", "v")

_OF_LINEAR = ("weight", "bias")
QUICK_GELU_SLOPE = 1.702  # QuickGELU(x) = x sigmoid(1.702 x)

READ_OUTS: dict[ReadOut, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "tanh": torch.tanh}


class TextTower:
    """A text encoder as plain tensors: `embed`, then blocks 1..L in pieces, then `read_out`.

    Args:
        shape: sizes and conventions.
        weights: tensors named ``token_embedding``, ``positional_embedding``, ``ln_final.weight``,
            ``ln_final.bias``, ``projection`` [width, embed_dim] (optional), ``projection_bias``
            (optional), ``blocks.{l}.{name}`` for l = 1..L and names in `BLOCK_WEIGHTS`, and
            ``read_out.{k}.weight`` and ``read_out.{k}.bias`` (optional) for k = 1.. and the layers
            in ``shape.read_out``.
        identity: provenance of the weights (model name, hashes); copied into tables.

    Raises:
        InputError: a weight is missing or has the wrong shape.
    """

    def __init__(
        self,
        shape: TowerShape,
        weights: Mapping[str, Tensor],
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        self.shape = shape
        self.identity = dict(identity or {})
        self.weights = dict(weights)
        check_weights(shape, self.weights)
        self.blocks = [
            {name: self.weights[f"blocks.{block}.{name}"] for name in BLOCK_WEIGHTS}
            for block in range(1, shape.layers + 1)
        ]
        self.linear = [_linear_maps(shape, weights) for weights in self.blocks]

    @property
    def dtype(self) -> torch.dtype:
        return self.weights["token_embedding"].dtype

    @property
    def readout_dtype(self) -> torch.dtype:
        """Precision of embeddings: never less than float32."""
        return torch.promote_types(self.dtype, torch.float32)

    @property
    def device(self) -> torch.device:
        return self.weights["token_embedding"].device

    def to(self, *, dtype: torch.dtype | None = None, device: Any = None) -> TextTower:
        """The same tower in another precision or on another device."""
        moved = {name: w.to(device=device, dtype=dtype) for name, w in self.weights.items()}
        return TextTower(self.shape, moved, self.identity)

    def embed(self, tokens: Int[Tensor, "batch n"]) -> Float[Tensor, "batch n width"]:
        """Hidden state 0: token plus positional embedding; a class token's is always the last."""
        table = self.weights["positional_embedding"]
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        if self.shape.pool == "class":
            positions = torch.where(tokens == self.shape.class_id, len(table) - 1, positions)
        return F.embedding(tokens, self.weights["token_embedding"]) + table[positions]

    def qkv(
        self, block: int, normed: Float[Tensor, "... width"]
    ) -> Float[Tensor, "... three_width"]:
        """Queries, keys and values of all heads, concatenated."""
        return torch.cat([self.project(block, part, normed) for part in PARTS], dim=-1)

    def project(
        self, block: int, part: Part, normed: Float[Tensor, "... width"]
    ) -> Float[Tensor, "... width"]:
        """Queries, keys or values alone, from an input that `attention_norm` has treated."""
        return self.linear[block - 1][part](normed)

    def attention_norm(self, block: int, resid: Float[Tensor, "... width"]) -> Tensor:
        w = self.blocks[block - 1]
        return self._norm(resid, w["ln_1.weight"], w["ln_1.bias"])

    def mlp_norm(self, block: int, mid: Float[Tensor, "... width"]) -> Tensor:
        w = self.blocks[block - 1]
        return self._norm(mid, w["ln_2.weight"], w["ln_2.bias"])

    def skip(
        self, stream: Float[Tensor, "*rows width"], normed: Float[Tensor, "*rows width"]
    ) -> Float[Tensor, "*rows width"]:
        """What a sublayer's output is added to.

        Args:
            stream: residual stream before the sublayer.
            normed: its norm, which the sublayer reads.
        """
        return normed if self.shape.post_norm else stream

    def split_heads(
        self, x: Float[Tensor, "*batch n width"]
    ) -> Float[Tensor, "*batch heads n head_width"]:
        """Queries, keys or values head by head; a view."""
        split: Tensor = x.unflatten(-1, (self.shape.heads, -1))
        return split.transpose(-3, -2)

    def attend(
        self,
        q: Float[Tensor, "batch heads queries head_width"],
        k: Float[Tensor, "batch heads keys head_width"],
        v: Float[Tensor, "batch heads keys head_width"],
        mask: Float[Tensor, "#batch queries keys"] | None,
    ) -> Float[Tensor, "batch queries width"]:
        """z: every head's weighted values, heads concatenated.

        Args:
            mask: added to the scores, 0 or -inf; None where every query sees every key.
        """
        if q.device.type == "cpu":  # sentences are short: two batched products beat flash attention
            z = softmax(_scores(q, k, mask)) @ v
        else:
            z = F.scaled_dot_product_attention(
                q, k, v, attn_mask=None if mask is None else mask[:, None]
            )
        return rearrange(z, "b h i d -> b i (h d)")

    def attention_pattern(
        self,
        q: Float[Tensor, "batch heads queries head_width"],
        k: Float[Tensor, "batch heads keys head_width"],
        mask: Float[Tensor, "#batch queries keys"] | None,
    ) -> Float[Tensor, "batch heads queries keys"]:
        """The softmax weights that `attend` applies."""
        return softmax(_scores(q, k, mask))

    def attn_out(self, block: int, z: Float[Tensor, "... width"]) -> Float[Tensor, "... width"]:
        """What attention adds to the residual stream: W_O z + b."""
        return self.linear[block - 1]["out"](z)

    def heads_out(
        self, block: int, z: Float[Tensor, "*rows width"]
    ) -> Float[Tensor, "heads *rows width"]:
        """Each head's share of attn_out, without the bias."""
        weight, heads = self.blocks[block - 1]["out.weight"], self.shape.heads
        out = rearrange(weight, "w (h d) -> h w d", h=heads)
        rows = rearrange(z, "... (h d) -> h (...) d", h=heads)
        summed: Tensor = torch.einsum("hrd,hwd->hrw", rows, out).unflatten(1, z.shape[:-1])
        return summed

    def asked_of_input(
        self, block: int, queries: Float[Tensor, "*rows width"]
    ) -> tuple[Float[Tensor, "heads *rows width"], Float[Tensor, "heads *rows 1"]]:
        """What each head's queries ask of attention's input: q (W_k x + b_k) = asked x + offset."""
        weight, bias = (self.blocks[block - 1][f"qkv.{part}"].chunk(3)[1] for part in _OF_LINEAR)
        heads = self.shape.heads
        rows = rearrange(queries, "... (h d) -> h (...) d", h=heads)
        asked: Tensor = rows @ rearrange(weight, "(h d) w -> h d w", h=heads)
        offset: Tensor = rows @ rearrange(bias, "(h d) -> h d 1", h=heads)
        return asked.unflatten(1, queries.shape[:-1]), offset.unflatten(1, queries.shape[:-1])

    def values_of_input(
        self,
        block: int,
        weighted: Float[Tensor, "heads *rows width"],
        total: Float[Tensor, "heads *rows 1"],
    ) -> Float[Tensor, "heads *rows head_width"]:
        """Each head's weighted values, from attention's input weighted alike.

        Args:
            total: sums of the weights.
        """
        weight, bias = (self.blocks[block - 1][f"qkv.{part}"].chunk(3)[2] for part in _OF_LINEAR)
        of_heads = rearrange(weight, "(h d) w -> h w d", h=self.shape.heads)
        biases = rearrange(bias, "(h d) -> h 1 d", h=self.shape.heads)
        values: Tensor = torch.baddbmm(
            total.flatten(1, -2) * biases, weighted.flatten(1, -2), of_heads
        )
        return torch.unflatten(values, 1, total.shape[1:-1])

    def mlp_out(self, block: int, normed: Float[Tensor, "... width"]) -> Float[Tensor, "... width"]:
        """What the MLP adds to the residual stream, from what `mlp_norm` has treated."""
        maps = self.linear[block - 1]
        return maps["proj"](maps["fc"](normed))

    def read_out(
        self, resid: Float[Tensor, "*rows read width"]
    ) -> Float[Tensor, "*rows embed_dim"]:
        """Unit-norm sentence embedding from hidden state L at the position, or all, read out.

        Half precisions are left behind before the norm is taken: the result is float32 then.
        """
        w = self.weights
        out = self._norm(resid, w["ln_final.weight"], w["ln_final.bias"]).mean(-2)
        for number, kind in enumerate(self.shape.read_out, start=1):
            layer = f"read_out.{number}"
            out = READ_OUTS[kind](F.linear(out, w[f"{layer}.weight"], w.get(f"{layer}.bias")))
        if "projection" in w:
            out = out @ w["projection"]
        if "projection_bias" in w:
            out = out + w["projection_bias"]
        return F.normalize(out.to(self.readout_dtype), dim=-1)

    def _norm(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.layer_norm(x, (self.shape.width,), weight, bias, self.shape.ln_eps)


def _linear_maps(shape: TowerShape, w: Mapping[str, Tensor]) -> dict[str, Linear]:
    """The products of one block; ``fc`` applies the activation function too."""
    weights, biases = w["qkv.weight"].chunk(3), w["qkv.bias"].chunk(3)
    # QuickGELU(x) = SiLU(s x) / s: the products on both sides take the factors in for nothing.
    quick = shape.activation == "quick_gelu"
    s = QUICK_GELU_SLOPE if quick else 1.0
    activation = "silu" if shape.activation == "quick_gelu" else shape.activation
    return {
        **{p: Linear(w, b) for p, w, b in zip(PARTS, weights, biases, strict=True)},
        "out": Linear(w["out.weight"], w["out.bias"]),
        "fc": Linear(w["fc.weight"], s * w["fc.bias"], s, activation),
        "proj": Linear(w["proj.weight"], w["proj.bias"], 1 / s),
    }


def _scores(q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
    """Scaled products of queries and keys plus the mask [batch, heads, queries, keys]."""
    batch, heads, queries, width = q.shape
    if mask is None:
        mask = q.new_zeros(1)
    else:
        mask = mask[:, None].expand(batch, heads, -1, -1).flatten(0, 1)
    q, k = q.flatten(0, 1), k.flatten(0, 1)
    scores = torch.baddbmm(mask, q, k.mT, alpha=width**-0.5)
    return scores.view(batch, heads, queries, -1)


def softmax(scores: Tensor) -> Tensor:
    """Attention weights from scores, which may be overwritten."""
    if scores.device.type != "cpu" or scores.dtype.itemsize < 4 or scores.requires_grad:
        return scores.softmax(dim=-1)
    # Over as few keys as a sentence has, torch's own is several times slower on a CPU.
    weights = scores.sub_(scores.amax(dim=-1, keepdim=True)).exp_()
    return weights.div_(weights.sum(dim=-1, keepdim=True))
