"""A random direction is as long as the real change, in every activation that a site replaces."""

from __future__ import annotations

import pytest
import torch
from conftest import alignment_table
from einops import rearrange

from negtrace.patching.forward_passes import Run, run_sentences
from negtrace.patching.random_direction import pair_seed, random_run
from negtrace.patching.sentences import sentence_pairs

PAIRS = [([58, 1, 2, 3, k, 59], [58, 1, 2, 4, k, 59]) for k in (10, 11)]
PAIRS += [([58, 1, 2, 3, 20, 59], [58, 1, 2, 20, 59])]  # the negator was inserted


@pytest.fixture
def runs(causal):
    """Base and source runs of direction negate, and the base sentences."""
    pairs = sentence_pairs(alignment_table(PAIRS, causal.tower.shape))
    bases = [pair.affirmative for pair in pairs]
    base = run_sentences(causal.tower, [s.tokens for s in bases])
    source = run_sentences(causal.tower, [pair.negated.tokens for pair in pairs])
    return base, source, bases, causal.tower.shape


def stand_in(runs, part, seeds=(1, 2, 3)):
    base, source, bases, shape = runs
    return random_run(base, source, bases, shape.heads, seeds, part)


def parts_of(run, name, shape):
    """Activation by block (or hidden state) [.., pairs, n, groups, features]."""
    if name == "resid":
        return run.resid[..., None, :]
    if name in ("q", "k", "v"):
        return rearrange(run.qkv, "l b n (g d) -> l b n g d", g=3 * shape.heads)
    blocks = torch.stack([run.activation(name, k + 1) for k in range(shape.layers)])
    return rearrange(blocks, "l b n (g d) -> l b n g d", g=shape.heads if name == "z" else 1)


@pytest.mark.parametrize("part", ["resid", "attn_out", "mlp_out", "z", "q"])
def test_as_long_as_the_real_change_and_in_another_direction(runs, part):
    base, source, bases, shape = runs
    before, real, found = (
        parts_of(run, part, shape) for run in (base, source, stand_in(runs, part))
    )
    turned = 0
    for row, sentence in enumerate(bases):
        for position, origin in enumerate(sentence.counterparts):
            change = found[:, row, position] - before[:, row, position]
            if origin < 0:
                assert not change.any()
                continue
            wanted = real[:, row, origin] - before[:, row, position]
            torch.testing.assert_close(change.norm(dim=-1), wanted.norm(dim=-1))
            cosine = torch.nn.functional.cosine_similarity(change, wanted, dim=-1)
            turned += int((cosine.abs() < 0.95).sum())
    assert turned > 20


@pytest.mark.parametrize("part", ["resid", "z", "k"])
def test_what_a_site_does_not_replace_stays(runs, part):
    base, found = runs[0], stand_in(runs, part)
    for name in ("resid", "qkv", "z", "attn_out", "mlp_out", "embedding"):
        replaced = "qkv" if part == "k" else part
        assert torch.equal(getattr(base, name), getattr(found, name)) == (name != replaced)


def test_no_two_tokens_are_alike_any_more(runs):
    """Although the pairs begin alike, and their base runs with them."""
    of, found = runs[0].of, stand_in(runs, "z").of
    assert len(of.unique()) < of.numel() == len(found.unique())


def test_directions_belong_to_the_pair(runs):
    first = stand_in(runs, "resid")
    again = stand_in(runs, "resid")
    other = stand_in(runs, "resid", seeds=(1, 2, 4))
    assert torch.equal(first.resid, again.resid)
    assert torch.equal(first.resid[:, :2], other.resid[:, :2])
    assert not torch.equal(first.resid[:, 2], other.resid[:, 2])


def test_before_the_first_difference_nothing_moves(runs):
    base, found = runs[0], stand_in(runs, "resid")
    torch.testing.assert_close(found.resid[:, :, :2], base.resid[:, :, :2], atol=1e-9, rtol=0)


def test_directions_do_not_depend_on_the_longest_sentence_of_the_batch(runs):
    base, source, bases, shape = runs
    together = stand_in(runs, "z")
    short = run_of(base, [2], len(bases[2].tokens)), run_of(source, [2], source.z.shape[2])
    alone = random_run(*short, bases[2:], shape.heads, (3,), "z")
    n = len(bases[2].tokens)
    assert n < base.z.shape[2]
    torch.testing.assert_close(alone.z, together.z[:, [2], :n])
    assert not torch.equal(alone.z, short[0].z)


def run_of(run, pairs, n):
    """Some pairs of a run, cut to n tokens."""
    kept = (activation[:, pairs, :n] for activation in run[:5])
    rest = (run.pooled[pairs], run.hidden[pairs, :n], run.embedding[pairs], run.of[pairs, :n])
    return Run(*kept, *rest)


def test_a_pair_has_a_seed_of_its_own():
    seeds = {pair_seed(seed, pair) for seed in (0, 1) for pair in ("a", "b")}
    assert len(seeds) == 4
    assert pair_seed(0, "a") == pair_seed(0, "a")
