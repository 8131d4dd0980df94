"""The text tower against open_clip's own forward pass."""

from __future__ import annotations

import pytest
import torch
from conftest import EOT, SOT, embedding

from negtrace.errors import InputError
from negtrace.models.tower import TextTower
from negtrace.models.tower_file import WEIGHTS_FILE, load_tower, save_tower
from negtrace.patching.forward_passes import run_sentences
from negtrace.patching.slow_twin import pad
from negtrace.patching.slow_twin_hooks import multihead_z

SENTENCES = [[SOT, 5, 9, 2, EOT], [SOT, 7, 1, 30, 31, 32, 8, EOT], [SOT, 3, EOT]]
SAME_LENGTH = [[SOT, 5, 9, 2, EOT], [SOT, 7, 1, 30, EOT]]


def test_embedding_equals_open_clip(tiny):
    expected = torch.stack([embedding(tiny, s) for s in SENTENCES])
    run = run_sentences(tiny.tower, [tiny.tower.shape.complete(s) for s in SENTENCES])
    torch.testing.assert_close(run.embedding, expected, atol=1e-12, rtol=0)
    assert expected.abs().max() > 0.1


def test_heads_add_up_to_attention_output(tiny):
    run = run_sentences(tiny.tower, SAME_LENGTH)
    shape = tiny.tower.shape
    for block in range(1, shape.layers + 1):
        of_heads = tiny.tower.heads_out(block, run.z[block - 1])
        for head, added in enumerate(of_heads):
            columns = slice(head * shape.head_width, (head + 1) * shape.head_width)
            weight = tiny.tower.blocks[block - 1]["out.weight"][:, columns]
            expected = run.z[block - 1][..., columns] @ weight.T
            torch.testing.assert_close(added, expected, atol=1e-12, rtol=0)
        by_head = of_heads.sum(0)
        bias = tiny.tower.blocks[block - 1]["out.bias"]
        torch.testing.assert_close(by_head + bias, run.attn_out[block - 1], atol=1e-12, rtol=0)
        assert by_head.abs().max() > 1e-3


def test_pattern_is_what_attend_applies(causal):
    run = run_sentences(causal.tower, SAME_LENGTH)
    q, k, v = map(causal.tower.split_heads, run.qkv[1].chunk(3, dim=-1))
    mask = torch.full((1, q.shape[2], k.shape[2]), -torch.inf, dtype=q.dtype).triu(1)
    pattern = causal.tower.attention_pattern(q, k, mask)
    torch.testing.assert_close(pattern.sum(-1), torch.ones_like(pattern[..., 0]))
    z = torch.einsum("bhij,bhjd->bihd", pattern, v).flatten(-2)
    torch.testing.assert_close(z, run.z[1], atol=1e-12, rtol=0)


def test_z_equals_torch_attention(causal):
    """The twin's z (torch's own multi-head attention) is the tower's z."""
    tokens = pad(causal.model, SENTENCES[1])
    block = causal.model.transformer.resblocks[0]
    x = causal.model.token_embedding(tokens) + causal.model.positional_embedding
    z = multihead_z(block.attn, block.ln_1(x), causal.model.attn_mask)
    run = run_sentences(causal.tower, [SENTENCES[1]])
    torch.testing.assert_close(z[:, : len(SENTENCES[1])], run.z[0], atol=1e-12, rtol=0)


def test_saved_tower_loads_equal(causal, tmp_path):
    tower = TextTower(causal.tower.shape, causal.tower.weights, {"architecture": "tiny"})
    save_tower(tower, tmp_path)
    loaded = load_tower(tmp_path, dtype="float64")
    assert loaded.shape == tower.shape
    assert loaded.identity["architecture"] == "tiny"
    assert len(loaded.identity["tower_sha256"]) == 64
    for name, weight in tower.weights.items():
        assert torch.equal(weight, loaded.weights[name]), name
    assert load_tower(tmp_path).dtype == torch.float32


def test_damaged_tower_is_refused(causal, tmp_path):
    save_tower(causal.tower, tmp_path)
    whole = (tmp_path / WEIGHTS_FILE).read_bytes()
    (tmp_path / WEIGHTS_FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="no readable text tower"):
        load_tower(tmp_path)


def test_missing_and_misshapen_weights_are_named(causal):
    weights = dict(causal.tower.weights)
    del weights["blocks.2.fc.bias"]
    with pytest.raises(InputError, match=r"blocks\.2\.fc\.bias"):
        TextTower(causal.tower.shape, weights)
    weights = causal.tower.weights | {"ln_final.bias": torch.zeros(3)}
    with pytest.raises(InputError, match=r"ln_final\.bias.*\(3,\)"):
        TextTower(causal.tower.shape, weights)
