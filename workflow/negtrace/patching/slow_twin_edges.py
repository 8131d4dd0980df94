"""The slow twin of edges: path patching as it was first described, by hooks, two passes an edge.

In the first pass the sender is patched and every other head and MLP before the receiver is frozen
at the base run's output; what the receiver then computes is kept.  In the second pass that is
patched into the base run (Wang et al. 2022, arXiv 2211.00593, appendix B).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from negtrace.patching.edges import READ_OUT, Receiver, Sender
from negtrace.patching.slow_twin import (
    activations,
    attach,
    heads_of,
    pad,
    replaced_embedding,
    text_blocks,
)
from negtrace.patching.slow_twin_hooks import Change, hooks

if TYPE_CHECKING:
    from open_clip.model import CLIP


def path_patched_embedding(
    model: CLIP,
    base: Sequence[int],
    source: Sequence[int],
    sender: Sender,
    receiver: Receiver,
    targets: Sequence[int],
    sources: Sequence[int],
    pad_id: int = 0,
) -> Tensor:
    """Unit-norm embedding of the base sentence with one edge patched [embed_dim].

    Args:
        base, source: token ids, start token to EOT.
        targets, sources: patched base positions and the source positions they are patched from.
    """
    blocks = text_blocks(model)
    size = blocks[0].attn.out_proj.in_features // heads_of(model)
    seen: list[Tensor] = []
    every = range(1, len(blocks) + 1)
    layers = {"resid": [0], "head": every, "mlp_out": every}
    base_run = {site: activations(model, base, site, of, pad_id) for site, of in layers.items()}

    def frozen(site: str, block: int) -> Change:
        kept = base_run[site][block].clone()
        sends = block == sender.block and (site == "head") == (sender.head is not None)
        if sends:
            theirs = activations(model, source, site, [block], pad_id)[block]
            columns = slice(None)
            if sender.head is not None:
                columns = slice((sender.head - 1) * size, sender.head * size)
            for target, origin in zip(targets, sources, strict=True):
                kept[0, target, columns] = theirs[0, origin, columns]
        return lambda activation: kept.clone()

    def read(activation: Tensor) -> Tensor:
        seen.append(activation.clone())
        return activation

    site = {"mlp": "mlp_out", READ_OUT: "resid"}.get(receiver.reads, receiver.reads)
    at = min(receiver.block, len(blocks))
    before = [("resid", 0)]
    for block in range(1, at + 1):
        if block < receiver.block or receiver.reads == "mlp":
            before.append(("head", block))
        if block < receiver.block:
            before.append(("mlp_out", block))
    changes = [(*place, frozen(*place)) for place in before]  # runs, so before any hook is there
    with torch.no_grad(), hooks() as active:
        for change in (*changes, (site, at, read)):
            attach(active, model, *change)
        embedding = F.normalize(model.encode_text(pad(model, base, pad_id)), dim=-1)
    if receiver.reads == READ_OUT:
        return embedding[0]
    heads = None if receiver.head is None else [receiver.head]
    # By its whole input a head changes wherever it is read from the patched tokens.
    changed = range(seen[0].shape[1]) if site == "head" else targets
    return replaced_embedding(model, base, site, {at: seen[0]}, changed, changed, heads, pad_id)
