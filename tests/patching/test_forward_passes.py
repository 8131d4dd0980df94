"""Forward passes of many sentences at once are those of each alone."""

from __future__ import annotations

import pytest
import torch
from conftest import EOT, SOT

from negtrace.models.tower import TextTower
from negtrace.patching.forward_passes import Run, beginnings, first_places, run_bytes, run_sentences

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
    assert rows == len({tuple(s[: i + 1]) for s in SHARED for i in range(len(s))})
    assert rows == 3 + 2 + sum(len(sentence) - 4 for sentence in SHARED)


def test_beginnings_are_numbered_by_their_first_place():
    of = beginnings(["abc", "abd", "b", "ab"], shared=True)
    assert of.tolist() == [[0, 1, 2], [0, 1, 3], [4, 0, 0], [0, 1, 0]]
    sentence, place = first_places(of)
    assert list(zip(sentence.tolist(), place.tolist(), strict=True)) == [
        *((0, 0), (0, 1), (0, 2), (1, 2), (2, 0)),
    ]
    assert beginnings(["ab", "ab"], shared=False).tolist() == [[0, 1], [2, 3]]


def test_towers_that_see_what_follows_share_nothing(tiny_models, monkeypatch):
    tower = tiny_models["bidirectional_eot"].tower
    sentences = [tower.shape.complete(sentence) for sentence in SHARED]
    _, rows = rows_computed(tower, sentences, monkeypatch)
    assert rows == sum(map(len, sentences))


def test_the_memory_of_a_run_is_what_is_reckoned(tiny):
    run = run_sentences(tiny.tower, [tiny.tower.shape.complete(SHARED[0])] * 3)
    held = (run.resid, run.qkv, run.z, run.attn_out, run.mlp_out)
    size = sum(tensor.numel() * tensor.element_size() for tensor in held)
    assert size == 3 * run_bytes(tiny.tower.shape, run.resid.shape[2], run.resid.element_size())


def test_every_activation_is_that_of_the_sentence_alone(tiny):
    tower = tiny.tower
    sentences = [tower.shape.complete(sentence) for sentence in SHARED]
    together = run_sentences(tower, sentences)
    for row, sentence in enumerate(sentences):
        alone, n = run_sentences(tower, [sentence]), len(sentence)
        for name in ("resid", "qkv", "z", "attn_out", "mlp_out"):
            found, expected = getattr(together, name)[:, row], getattr(alone, name)[:, 0]
            torch.testing.assert_close(found[:, :n], expected, atol=1e-12, rtol=0)
            assert expected.abs().amax(dim=(0, 2)).min() > 1e-3  # every position of every kind
        torch.testing.assert_close(together.embedding[row], alone.embedding[0], atol=1e-12, rtol=0)
        assert together.pooled[row] == alone.pooled[0]


# One sentence goes on where the other ends: all but the pooled rows is shared.
CONTINUED = [[SOT, 1, 2, 3, EOT], [SOT, 1, 2, 3, 10, EOT]]


def test_sentences_of_different_length_share_what_they_begin_with(causal, monkeypatch):
    run, rows = rows_computed(causal.tower, CONTINUED, monkeypatch)
    assert rows == 4 + 1 + 2
    for row, sentence in enumerate(CONTINUED):
        alone = run_sentences(causal.tower, [sentence])
        torch.testing.assert_close(run.embedding[row], alone.embedding[0], atol=1e-12, rtol=0)


def test_equal_sentences_are_computed_once(causal, monkeypatch):
    run, rows = rows_computed(causal.tower, [SHARED[0]] * 3, monkeypatch)
    assert rows == 7
    assert torch.equal(run.embedding[0], run.embedding[2])


def test_a_part_of_a_run_is_that_of_its_sentences(causal):
    run = run_sentences(causal.tower, CONTINUED)
    part = run.part(slice(1, 2))
    for name in ("resid", "qkv", "z", "attn_out", "mlp_out"):
        assert torch.equal(getattr(part, name), getattr(run, name)[:, 1:])
    for name in ("pooled", "hidden", "embedding", "of"):
        assert torch.equal(getattr(part, name), getattr(run, name)[1:])


@pytest.mark.parametrize("block", [1, 3])
def test_activations_by_name_add_up(causal, block):
    run = run_sentences(causal.tower, [SHARED[0]])
    resid, attn_out, mlp_out = (
        run.activation(name, block) for name in ("resid", "attn_out", "mlp_out")
    )
    torch.testing.assert_close(resid, run.resid[block - 1])
    torch.testing.assert_close(attn_out, causal.tower.attn_out(block, run.z[block - 1]))
    expected = causal.tower.mlp_out(block, causal.tower.mlp_norm(block, resid + attn_out))
    torch.testing.assert_close(mlp_out, expected)
    torch.testing.assert_close(resid + attn_out + mlp_out, run.activation("resid", block + 1))
    parts = [run.activation(part, block) for part in "qkv"]
    expected = causal.tower.qkv(block, causal.tower.attention_norm(block, resid))
    torch.testing.assert_close(torch.cat(parts, -1), expected)
    torch.testing.assert_close(run.activation("z", block), run.z[block - 1])
