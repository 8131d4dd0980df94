"""Random direction: a stand-in for a source run, as far from the base run, but by noise.

At every token that has a counterpart, each activation of the stand-in is the base run's plus a
random direction as long as the real change there.  Heads are turned one by one, so that whichever
activation a site replaces is moved exactly as far as by the real source.  Directions belong to a
pair, not to its place in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import torch
from einops import rearrange
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from negtrace.patching.forward_passes import Run
from negtrace.patching.sentences import Sentence


def pair_seed(seed: int, pair_id: str) -> int:
    """Seed of one pair's directions."""
    return int.from_bytes(sha256(f"{seed}|{pair_id}".encode()).digest()[:7], "big")


def random_run(
    base: Run,
    source: Run,
    bases: Sequence[Sentence],
    heads: int,
    seeds: Sequence[int],
    part: str,
) -> Run:
    """A stand-in for the source run.

    Args:
        base, source: runs of the pairs' base and source sentences.
        bases: the base sentences, whose counterparts say what moves from where.
        heads: number of heads, for activations that are turned by head.
        seeds: of each pair's directions.
        part: which activation the site replaces: resid, attn_out, mlp_out, z, q, k or v.

    Returns:
        a run that is `base` but for what belongs to `part`.
    """
    index, moved = counterparts_of(bases, base)
    base = base._replace(of=torch.arange(base.of.numel(), device=index.device).view_as(base.of))
    pairs = torch.arange(len(bases), device=index.device)[:, None]

    def turned(of_base: Tensor, of_source: Tensor, groups: int) -> Tensor:
        change = torch.where(moved[..., None], of_source[:, pairs, index] - of_base, 0)
        split = rearrange(change, "l b n (g d) -> l b n g d", g=groups)
        unit = torch.zeros(split.shape, dtype=torch.float64)
        for row, (sentence, seed) in enumerate(zip(bases, seeds, strict=True)):
            n = len(sentence.tokens)  # not the batch's
            unit[:, row, :n] = unit_vectors(seed, (len(split), n, *split.shape[3:]))
        moved_by = unit.to(split) * split.norm(dim=-1, keepdim=True)
        result: Tensor = of_base + rearrange(moved_by, "l b n g d -> l b n (g d)")
        return result

    name = "qkv" if part in ("q", "k", "v") else part
    groups = {"qkv": 3 * heads, "z": heads}.get(name, 1)
    moves = turned(getattr(base, name), getattr(source, name), groups)
    return base._replace(**{name: moves})


def counterparts_of(
    bases: Sequence[Sentence], base: Run
) -> tuple[Int[Tensor, "batch n"], Bool[Tensor, "batch n"]]:
    """Source position of every base token (0 where it has none), and whether it has one."""
    index = torch.full(base.resid.shape[1:3], -1, dtype=torch.long)
    for row, sentence in enumerate(bases):
        index[row, : len(sentence.counterparts)] = torch.tensor(sentence.counterparts)
    index = index.to(base.resid.device)
    return index.clamp(min=0), index >= 0


def unit_vectors(seed: int, shape: tuple[int, ...]) -> Float64[Tensor, "layers n groups features"]:
    """Directions of one sentence's activations; the same on every device."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    unit: Tensor = noise / noise.norm(dim=-1, keepdim=True)
    return unit
