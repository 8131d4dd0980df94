"""Runs are kept within a context alone, up to a size, and are those that would be made anew."""

from __future__ import annotations

import pytest
import torch
from test_restoration import PAIRS, Study

from negtrace.patching import kept_runs
from negtrace.patching.forward_passes import run_sentences
from negtrace.patching.kept_runs import kept_or_made, runs_kept

SENTENCES = [tokens for pair in PAIRS for tokens in pair]


def test_a_run_is_made_once_while_the_context_lasts(causal):
    anew = run_sentences(causal.tower, SENTENCES)
    with runs_kept(memory_gb=1):
        first = run_sentences(causal.tower, SENTENCES)
        assert run_sentences(causal.tower, SENTENCES) is first
        assert run_sentences(causal.tower, SENTENCES[::-1]) is not first
        assert run_sentences(causal.tower.to(dtype=torch.float32), SENTENCES) is not first
    assert run_sentences(causal.tower, SENTENCES) is not first
    for one, other in zip(first, anew, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_nobody_writes_into_a_run(causal):
    """Whatever comes of a run that others have used comes of a new one, to the bit."""
    study = Study(causal)
    asked = [(site, way) for site in ("head", "resid", "mlp_out") for way in ("negate", "affirm")]
    anew = [study.sweep(*one) for one in asked]
    with runs_kept(memory_gb=1):
        for _ in range(2):
            for one, expected in zip(asked, anew, strict=True):
                assert study.sweep(*one).equals(expected), one


@pytest.mark.parametrize(("room", "kept"), [(3, [1, 3]), (2, [3]), (0, [])])
def test_what_was_asked_for_longest_ago_goes_first(monkeypatch, room, kept):
    size = torch.zeros(5).nbytes
    monkeypatch.setattr(kept_runs, "SHARE", size / 2**30)
    made = []

    def ask(number: int, numbers: int) -> None:
        kept_or_made((number,), lambda: made.append(number) or (torch.zeros(5 * numbers),))

    with runs_kept(memory_gb=room):
        ask(1, 1)
        ask(2, 1)
        ask(1, 1)
        ask(3, 2)
        made.clear()
        for number in kept:
            ask(number, 9)
        assert made == []
        ask(2, 1)
        assert made == [2]
