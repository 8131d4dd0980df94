"""The engine's slow twin: one forward hook, one patch, one whole forward pass of open_clip.

Nothing here uses `tower.py` or the engine.  Sentences are padded to the context length and go
through open_clip's own `encode_text`; the patch is a plain module hook.  `nn.MultiheadAttention`
never shows a head's output, so for its blocks z is obtained from torch's own attention with the
identity as output projection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class Hooks:
    """Hooks on a text tower that are removed on leaving the context, with a count of firings."""

    fired: int = 0
    handles: list = field(default_factory=list)

    def on_output(self, module: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        """Replace the output of a module by `change(output)`."""

        def hook(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
            self.fired += 1
            return change(output)

        self.handles.append(module.register_forward_hook(hook))

    def on_input(self, module: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        """Replace the first argument of a module by `change(argument)`."""

        def hook(module: nn.Module, args: tuple) -> tuple:
            self.fired += 1
            return (change(args[0]), *args[1:])

        self.handles.append(module.register_forward_pre_hook(hook))

    def on_z(self, attention: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        """Replace the concatenated head outputs z [batch, n, width] by `change(z)`."""
        if not isinstance(attention, nn.MultiheadAttention):
            self.on_input(attention.out_proj, change)
            return

        def hook(module: nn.MultiheadAttention, args: tuple, kwargs: dict, output: tuple) -> tuple:
            self.fired += 1
            z = change(multihead_z(module, args[0], kwargs["attn_mask"]))
            return (F.linear(z, module.out_proj.weight, module.out_proj.bias), None)

        self.handles.append(attention.register_forward_hook(hook, with_kwargs=True))

    def on_projection(
        self, attention: nn.Module, part: str, change: Callable[[Tensor], Tensor]
    ) -> None:
        """Replace the concatenated queries, keys or values [batch, n, width] by `change(...)`."""
        at = "qkv".index(part)
        width = attention.out_proj.in_features

        def projected(x: Tensor) -> list[Tensor]:
            qkv = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
            return list(qkv.split(width, dim=-1))

        def hook(module: nn.Module, args: tuple, kwargs: dict, output: object) -> object:
            self.fired += 1
            parts = projected(args[0])
            parts[at] = change(parts[at])
            out = module.out_proj(naive_attention(*parts, module.num_heads, kwargs["attn_mask"]))
            return (out, None) if isinstance(output, tuple) else out

        self.handles.append(attention.register_forward_hook(hook, with_kwargs=True))


def naive_attention(q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """softmax(q k^T / sqrt(d) + mask) v, head by head [batch, n, width]."""
    parts = []
    for qh, kh, vh in zip(*(x.chunk(heads, dim=-1) for x in (q, k, v)), strict=True):
        scores = qh @ kh.transpose(-1, -2) / qh.shape[-1] ** 0.5
        parts.append((scores if mask is None else scores + mask).softmax(dim=-1) @ vh)
    return torch.cat(parts, dim=-1)


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


def text_blocks(model: nn.Module) -> nn.ModuleList:
    """The residual blocks of an open_clip model's text tower."""
    text = model.text if hasattr(model, "text") else model
    return text.transformer.resblocks


def attach(
    active: Hooks, model: nn.Module, site: str, layer: int, change: Callable[[Tensor], Tensor]
) -> None:
    """Put `change` on the activation of a site at a layer."""
    blocks = text_blocks(model)
    if site == "resid" and layer == 0:
        active.on_input(blocks[0], change)
    elif site == "resid":
        active.on_output(blocks[layer - 1], change)
    elif site == "attn_out":
        active.on_output(blocks[layer - 1].ls_1, change)
    elif site == "mlp_out":
        active.on_output(blocks[layer - 1].ls_2, change)
    elif site == "head":
        active.on_z(blocks[layer - 1].attn, change)
    elif site in ("q", "k", "v"):
        active.on_projection(blocks[layer - 1].attn, site, change)
    else:
        raise ValueError(f"unknown site {site!r}")


def _encode(model: nn.Module, tokens: Tensor) -> Tensor:
    """Unit-norm sentence embedding [1, embed_dim] by open_clip alone."""
    return F.normalize(model.encode_text(tokens), dim=-1)


def pad(model: nn.Module, tokens: Sequence[int], pad_id: int = 0) -> Tensor:
    """Token ids [1, context length]."""
    text = model.text if hasattr(model, "text") else model
    padded = torch.full((1, text.context_length), pad_id)
    padded[0, : len(tokens)] = torch.tensor(list(tokens))
    return padded


def patched_embedding(
    model: nn.Module,
    base: Sequence[int],
    source: Sequence[int],
    site: str,
    layer: int,
    targets: Sequence[int],
    sources: Sequence[int],
    head: int | None = None,
    pad_id: int = 0,
) -> Tensor:
    """Embedding of the base sentence with one activation copied from the source sentence.

    Args:
        base, source: token ids, start token to EOT.
        layer: hidden state 0..L for ``resid``, block 1..L otherwise.
        targets, sources: patched base positions and the source positions they are copied from.
        head: for sites of single heads, its number from 1.

    Returns:
        unit-norm embedding [embed_dim].

    Raises:
        RuntimeError: a hook did not fire exactly once per pass.
    """
    columns = slice(None)
    if head is not None:
        heads = text_blocks(model)[layer - 1].attn.num_heads
        head_width = text_blocks(model)[layer - 1].attn.out_proj.in_features // heads
        columns = slice((head - 1) * head_width, head * head_width)
    seen: list[Tensor] = []

    def read(activation: Tensor) -> Tensor:
        seen.append(activation.clone())
        return activation

    def write(activation: Tensor) -> Tensor:
        activation = activation.clone()
        for target, origin in zip(targets, sources, strict=True):
            activation[0, target, columns] = seen[0][0, origin, columns]
        return activation

    with torch.no_grad():
        for tokens, change in ((source, read), (base, write)):
            with hooks() as active:
                attach(active, model, site, layer, change)
                embedding = _encode(model, pad(model, tokens, pad_id))
            if active.fired != 1:
                raise RuntimeError(f"the hook on {site} {layer} fired {active.fired} times, not 1")
    return embedding[0]
