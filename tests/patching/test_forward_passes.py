"""Forward passes of many sentences at once are those of each alone."""

from __future__ import annotations

import torch
from conftest import EOT, SOT

from negtrace.models.tower import TextTower
from negtrace.patching.forward_passes import Run, run_sentences

# Two beginnings of four words, shared by three and by two sentences.
SHARED = [
    [SOT, 1, 2, 3, 10, 11, EOT],
    [SOT, 1, 2, 3, 12, EOT],
    [SOT, 1, 2, 3, 13, 14, 15, EOT],
    [SOT, 1, 2, 4, 10, 11, EOT],
    [SOT, 1, 2, 4, 16, EOT],
]


def rows_computed(tower, sentences, monkeypatch) -> tuple[Run, int]:
    """A run, and how many rows passed the MLP of block 1."""
    counted = []
    original = TextTower.mlp_out

    def counting(self, block, mid):
        if block == 1:
            counted.append(mid.shape[:-1].numel())
        return original(self, block, mid)

    monkeypatch.setattr(TextTower, "mlp_out", counting)
    return run_sentences(tower, sentences), sum(counted)


def test_shared_first_words_are_computed_once(causal, monkeypatch):
    _, rows = rows_computed(causal.tower, SHARED, monkeypatch)
    assert rows == 2 * 4 + sum(len(sentence) - 4 for sentence in SHARED)


def test_towers_that_see_what_follows_share_nothing(tiny_models, monkeypatch):
    tower = tiny_models["bidirectional_eot"].tower
    sentences = [tower.shape.complete(sentence) for sentence in SHARED]
    _, rows = rows_computed(tower, sentences, monkeypatch)
    assert rows == sum(map(len, sentences))


def test_every_activation_is_that_of_the_sentence_alone(tiny):
    tower = tiny.tower
    sentences = [tower.shape.complete(sentence) for sentence in SHARED]
    together = run_sentences(tower, sentences)
    for row, sentence in enumerate(sentences):
        alone, n = run_sentences(tower, [sentence]), len(sentence)
        for name in ("resid", "qkv", "z", "mid"):
            found, expected = getattr(together, name)[:, row], getattr(alone, name)[:, 0]
            torch.testing.assert_close(found[:, :n], expected, atol=1e-12, rtol=0)
            assert expected.abs().amax(dim=(0, 2)).min() > 1e-3  # every position of every kind
            assert (found[:, n:] == 0).all()
        torch.testing.assert_close(together.embedding[row], alone.embedding[0], atol=1e-12, rtol=0)
        assert together.pooled[row] == alone.pooled[0]
