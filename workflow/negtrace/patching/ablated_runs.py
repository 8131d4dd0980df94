"""Ablated runs: what zero and mean ablation copy from, in the place of a source run.

Mean ablation copies the mean over all sentences of the study (both polarities, each sentence once)
at tokens of the same role.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from negtrace.models.tower import TextTower
from negtrace.patching.forward_passes import Run, run_sentences
from negtrace.patching.sentences import Sentence, SentencePair

KEPT = ("resid", "qkv", "z", "attn_out", "mlp_out")


@dataclass(frozen=True)
class RoleMeans:
    """Mean activations by role.

    Attributes:
        row: index of each role.
        means: for each activation of a `Run`, its means.
    """

    row: dict[str, int]
    means: dict[str, Float[Tensor, "layers roles features"]]


def role_means(tower: TextTower, pairs: Sequence[SentencePair], size: int) -> RoleMeans:
    """Average every activation over all sentences, by role, `size` sentences at a time."""
    sentences = [s for pair in pairs for s in (pair.negated, pair.affirmative)]
    row = {role: i for i, role in enumerate(sorted({r for s in sentences for r in s.roles}))}
    totals: dict[str, Any] = dict.fromkeys(KEPT, 0.0)
    counts = torch.zeros(len(row), dtype=torch.float64, device=tower.device)
    for start in range(0, len(sentences), size):
        batch = sentences[start : start + size]
        run = run_sentences(tower, [s.tokens for s in batch])
        member = membership(batch, row, run.resid.shape[2]).to(tower.device)  # [batch, n, roles]
        counts += member.sum((0, 1))
        for name in KEPT:
            values = getattr(run, name).double()
            totals[name] = totals[name] + torch.einsum("lbnf,bnr->lrf", values, member)
    means = {name: (total / counts[:, None]).to(tower.dtype) for name, total in totals.items()}
    return RoleMeans(row, means)


def membership(
    sentences: Sequence[Sentence], row: dict[str, int], n: int
) -> Float64[Tensor, "batch n roles"]:
    """Indicator of each token's role; padding behind a sentence has none."""
    member = torch.zeros(len(sentences), n, len(row), dtype=torch.float64)
    for i, sentence in enumerate(sentences):
        for position, role in enumerate(sentence.roles):
            member[i, position, row[role]] = 1
    return member


def mean_run(base: Run, sentences: Sequence[Sentence], means: RoleMeans) -> Run:
    """A stand-in for a run: at every token the mean of its role."""
    index = torch.zeros(base.resid.shape[1:3], dtype=torch.long)
    for i, sentence in enumerate(sentences):
        index[i, : len(sentence.roles)] = torch.tensor([means.row[r] for r in sentence.roles])
    index = index.to(base.resid.device)
    return base._replace(of=index, **{name: means.means[name][:, index] for name in KEPT})


def zero_run(base: Run) -> Run:
    """A stand-in for a run: zeros."""
    zeros = {name: torch.zeros_like(getattr(base, name)) for name in KEPT}
    return base._replace(of=torch.zeros_like(base.of), **zeros)
