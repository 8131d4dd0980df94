"""The engine's slow twin: one forward hook, one patch, one whole forward pass of open_clip.

Nothing here uses `tower.py` or the engine.  Sentences are padded to the context length and go
through open_clip's own `encode_text`; the patch is a plain module hook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from negtrace.patching.slow_twin_hooks import Change, Hooks, hooks

if TYPE_CHECKING:
    from open_clip.model import CLIP


def text_blocks(model: CLIP) -> list[Any]:
    """The blocks of an open_clip model's text tower."""
    text = model.text if hasattr(model, "text") else model
    inner = text.transformer
    return list(inner.resblocks if hasattr(inner, "resblocks") else inner.encoder.layer)


def heads_of(model: CLIP) -> int:
    """Attention heads of a block."""
    block = text_blocks(model)[0]
    heads: int = (
        block.attn.num_heads if hasattr(block, "attn") else block.attention.self.num_attention_heads
    )
    return heads


def attach(active: Hooks, model: CLIP, site: str, layer: int, change: Change) -> None:
    """Put `change` on the activation of a site at a layer."""
    blocks = text_blocks(model)
    if hasattr(blocks[0], "intermediate"):
        attach_post_norm(active, model, site, layer, change)
    elif site == "resid" and layer == 0:
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


def attach_post_norm(active: Hooks, model: CLIP, site: str, layer: int, change: Change) -> None:
    """The same for BERT and RoBERTa, whose hidden states are sums before their LayerNorm."""
    if site == "resid" and layer == 0:
        active.on_input(model.text.transformer.embeddings.LayerNorm, change)
        return
    block = text_blocks(model)[layer - 1]
    attention, part = block.attention, {"q": "query", "k": "key", "v": "value"}
    if site == "resid":
        active.on_input(block.output.LayerNorm, change)
    elif site == "attn_out":
        active.on_output(attention.output.dense, change)
    elif site == "mlp_out":
        active.on_output(block.output.dense, change)
    elif site == "head":
        active.on_input(attention.output.dense, change)
    elif site in part:
        active.on_output(getattr(attention.self, part[site]), change)
    elif site == "pattern":
        active.on_bert_pattern(attention.self, change)
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
                    width = activation.shape[-1] // heads_of(model)
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
