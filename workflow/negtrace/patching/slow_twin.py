"""The engine's slow twin: one forward hook, one patch, one whole forward pass of open_clip.

Nothing here uses `tower.py` or the engine.  Sentences are padded to the context length and go
through open_clip's own `encode_text`; the patch is a plain module hook.  `nn.MultiheadAttention`
never shows a head's output, so for its blocks z is obtained from torch's own attention with the
identity as output projection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from open_clip.model import CLIP
    from open_clip.transformer import Attention, ResidualAttentionBlock


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


def text_blocks(model: CLIP) -> list[ResidualAttentionBlock]:
    """The residual blocks of an open_clip model's text tower."""
    text = model.text if hasattr(model, "text") else model
    return list(text.transformer.resblocks)


def attach(active: Hooks, model: CLIP, site: str, layer: int, change: Change) -> None:
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
    elif site in ("q", "k", "v", "pattern"):
        active.on_attention(blocks[layer - 1].attn, site, change)
    else:
        raise ValueError(f"unknown site {site!r}")


def _encode(model: CLIP, tokens: Tensor) -> Tensor:
    """Unit-norm sentence embedding [1, embed_dim] by open_clip alone."""
    return F.normalize(model.encode_text(tokens), dim=-1)


def pad(model: CLIP, tokens: Sequence[int], pad_id: int = 0) -> Tensor:
    """Token ids [1, context length]."""
    text = model.text if hasattr(model, "text") else model
    padded = torch.full((1, text.context_length), pad_id)
    padded[0, : len(tokens)] = torch.tensor(list(tokens))
    return padded


def activations(
    model: CLIP, tokens: Sequence[int], site: str, layers: Sequence[int], pad_id: int = 0
) -> dict[int, Tensor]:
    """A sentence's activations of a site at several layers, read off one forward pass."""
    seen: dict[int, Tensor] = {}

    def reader(layer: int) -> Change:
        def read(activation: Tensor) -> Tensor:
            seen[layer] = activation.clone()
            return activation

        return read

    run_hooked(model, tokens, site, {layer: reader(layer) for layer in layers}, pad_id)
    return seen


def replaced_embedding(
    model: CLIP,
    tokens: Sequence[int],
    site: str,
    values: Mapping[int, Tensor],
    targets: Sequence[int],
    sources: Sequence[int],
    heads: Sequence[int] | Mapping[int, Sequence[int]] | None = None,
    pad_id: int = 0,
) -> Tensor:
    """Embedding of a sentence with activations overwritten.

    Args:
        tokens: token ids, start token to EOT.
        values: for each patched layer, activations of the site [1, n, features]
            (pattern: [1, heads, n, n]).
        targets, sources: overwritten positions, and the positions of `values` they are copied from.
        heads: overwritten heads, from 1, or a list of them for each layer; None: all features.

    Returns:
        unit-norm embedding [embed_dim].

    Raises:
        RuntimeError: a hook did not fire exactly once.
    """

    def writer(layer: int) -> Change:
        chosen = heads[layer] if isinstance(heads, Mapping) else heads

        def write(activation: Tensor) -> Tensor:
            activation = activation.clone()
            for target, origin in zip(targets, sources, strict=True):
                if site == "pattern":
                    every = range(1, activation.shape[1] + 1)
                    for head in every if chosen is None else chosen:
                        activation[0, head - 1, target] = values[layer][0, head - 1, origin]
                elif chosen is None:
                    activation[0, target] = values[layer][0, origin]
                else:
                    width = activation.shape[-1] // text_blocks(model)[0].attn.num_heads
                    for head in chosen:
                        columns = slice((head - 1) * width, head * width)
                        activation[0, target, columns] = values[layer][0, origin, columns]
            return activation

        return write

    return run_hooked(model, tokens, site, {layer: writer(layer) for layer in values}, pad_id)


def patched_embedding(
    model: CLIP,
    base: Sequence[int],
    source: Sequence[int],
    site: str,
    layers: int | Sequence[int],
    targets: Sequence[int],
    sources: Sequence[int],
    heads: Sequence[int] | Mapping[int, Sequence[int]] | None = None,
    pad_id: int = 0,
) -> Tensor:
    """Embedding of the base sentence with activations copied from the source sentence.

    Args:
        layers: hidden states 0..L for ``resid``, blocks 1..L otherwise.
        targets, sources: patched base positions and the source positions they are copied from.
        heads: as in `replaced_embedding`.
    """
    layers = [layers] if isinstance(layers, int) else list(layers)
    values = activations(model, source, site, layers, pad_id)
    return replaced_embedding(model, base, site, values, targets, sources, heads, pad_id)


def run_hooked(
    model: CLIP,
    tokens: Sequence[int],
    site: str,
    changes: Mapping[int, Change],
    pad_id: int = 0,
) -> Tensor:
    """Embedding of a sentence with one hook per layer, each of which must fire exactly once."""
    with torch.no_grad(), hooks() as active:
        for layer, change in changes.items():
            attach(active, model, site, layer, change)
        embedding = _encode(model, pad(model, tokens, pad_id))
    if active.fired != len(changes):
        raise RuntimeError(
            f"{len(changes)} hooks on {site} fired {active.fired} times; each must fire once"
        )
    return embedding[0]
