"""Hooks of the slow twin: what replaces an activation of a module of open_clip or transformers.

`nn.MultiheadAttention` never shows a head's output, so for its blocks z is obtained from torch's
own attention with the identity as output projection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from open_clip.transformer import Attention

Change = Callable[[Tensor], Tensor]


@dataclass
class Hooks:
    """Hooks on a text tower that are removed on leaving the context, with a count of firings."""

    fired: int = 0
    handles: list[RemovableHandle] = field(default_factory=list)

    def on_output(self, module: nn.Module, change: Change) -> None:
        """Replace the output of a module by `change(output)`."""

        def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
            self.fired += 1
            return change(output)

        self.handles.append(module.register_forward_hook(hook))

    def on_input(self, module: nn.Module, change: Change) -> None:
        """Replace the first argument of a module by `change(argument)`."""

        def hook(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            self.fired += 1
            return (change(args[0]), *args[1:])

        self.handles.append(module.register_forward_pre_hook(hook))

    def on_z(self, attention: Attention | nn.MultiheadAttention, change: Change) -> None:
        """Replace the concatenated head outputs z [batch, n, width] by `change(z)`."""
        if not isinstance(attention, nn.MultiheadAttention):
            self.on_input(attention.out_proj, change)
            return

        def hook(
            module: nn.MultiheadAttention,
            args: tuple[Any, ...],
            kwargs: dict[str, Any],
            output: object,
        ) -> tuple[Tensor, None]:
            self.fired += 1
            z = change(multihead_z(module, args[0], kwargs["attn_mask"]))
            return (F.linear(z, module.out_proj.weight, module.out_proj.bias), None)

        self.handles.append(attention.register_forward_hook(hook, with_kwargs=True))

    def on_attention(
        self,
        attention: Attention | nn.MultiheadAttention,
        part: str,
        change: Change,
    ) -> None:
        """Replace q, k or v [batch, n, width], or the pattern [batch, heads, n, n]."""
        width, heads = attention.out_proj.in_features, attention.num_heads

        def hook(
            module: Attention | nn.MultiheadAttention,
            args: tuple[Any, ...],
            kwargs: dict[str, Any],
            output: object,
        ) -> object:
            self.fired += 1
            qkv = F.linear(args[0], attention.in_proj_weight, attention.in_proj_bias)
            parts = dict(zip("qkv", qkv.split(width, dim=-1), strict=True))
            if part in parts:
                parts[part] = change(parts[part])
            pattern = naive_pattern(parts["q"], parts["k"], heads, kwargs["attn_mask"])
            if part == "pattern":
                pattern = change(pattern)
            values = parts["v"].chunk(heads, dim=-1)
            z = torch.cat([pattern[:, h] @ values[h] for h in range(heads)], dim=-1)
            out = module.out_proj(z)
            return (out, None) if isinstance(output, tuple) else out

        self.handles.append(attention.register_forward_hook(hook, with_kwargs=True))

    def on_bert_pattern(self, attention: Any, change: Change) -> None:
        """Replace the pattern [1, heads, n, n] of transformers' self-attention."""

        def hook(
            module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: object
        ) -> tuple[Tensor, None]:
            self.fired += 1
            x, seen = args[0], args[1] if len(args) > 1 else kwargs["attention_mask"]
            heads: int = attention.num_attention_heads
            q, k, v = attention.query(x), attention.key(x), attention.value(x)
            mask = None if seen is None else torch.zeros_like(q[0, :1, :1])
            if mask is not None:
                mask = mask.masked_fill(~seen[0, 0], float("-inf"))
            pattern = change(naive_pattern(q, k, heads, mask))
            values = v.chunk(heads, dim=-1)
            return torch.cat([pattern[:, h] @ values[h] for h in range(heads)], dim=-1), None

        self.handles.append(attention.register_forward_hook(hook, with_kwargs=True))


def naive_pattern(q: Tensor, k: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """softmax(q k^T / sqrt(d) + mask), head by head [batch, heads, n, n].

    Args:
        mask: [n, n], or [batch x heads, n, n].
    """
    patterns = []
    for head, (qh, kh) in enumerate(zip(q.chunk(heads, -1), k.chunk(heads, -1), strict=True)):
        scores = qh @ kh.transpose(-1, -2) / qh.shape[-1] ** 0.5
        if mask is not None:
            scores = scores + (mask if mask.ndim == 2 else mask[head::heads])
        patterns.append(scores.softmax(dim=-1))
    return torch.stack(patterns, dim=1)


@contextmanager
def hooks() -> Iterator[Hooks]:
    """A set of hooks, all of them gone afterwards, also after an error."""
    active = Hooks()
    try:
        yield active
    finally:
        for handle in active.handles:
            handle.remove()


def multihead_z(attention: nn.MultiheadAttention, x: Tensor, mask: Tensor | None) -> Tensor:
    """Concatenated head outputs [batch, n, width] of torch's multi-head attention."""
    width = attention.embed_dim
    x = x.transpose(0, 1)
    z, _ = F.multi_head_attention_forward(
        x,
        x,
        x,
        width,
        attention.num_heads,
        attention.in_proj_weight,
        attention.in_proj_bias,
        None,
        None,
        False,
        0.0,
        torch.eye(width, dtype=x.dtype),
        torch.zeros(width, dtype=x.dtype),
        training=False,
        need_weights=False,
        attn_mask=mask,
    )
    return z.transpose(0, 1)
