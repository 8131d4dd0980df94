"""The slow twin keeps its promises."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from conftest import EOT, SOT

from negtrace.patching.slow_twin import hooks, pad, patched_embedding, text_blocks

SENTENCE = [SOT, 5, 9, 2, EOT]
SITES = ("resid", "attn_out", "mlp_out", "head", "q", "k", "v", "pattern")
BY_HEAD = SITES[3:]


def hook_count(model) -> int:
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()
    )


@pytest.mark.parametrize("site", SITES)
def test_patching_with_itself_changes_nothing(tiny, site):
    plain = F.normalize(tiny.model.encode_text(pad(tiny.model, SENTENCE)), dim=-1)[0]
    patched = patched_embedding(
        tiny.model,
        SENTENCE,
        SENTENCE,
        site,
        2,
        [1, 3],
        [1, 3],
        heads=[1] if site in BY_HEAD else None,
    )
    torch.testing.assert_close(patched, plain, atol=1e-12, rtol=0)


def test_patch_from_another_sentence_changes_the_embedding(tiny):
    other = [SOT, 5, 8, 2, EOT]
    plain = F.normalize(tiny.model.encode_text(pad(tiny.model, SENTENCE)), dim=-1)[0]
    for site in SITES:
        patched = patched_embedding(
            tiny.model, SENTENCE, other, site, 1, [2], [2], heads=[1] if site in BY_HEAD else None
        )
        assert (patched - plain).abs().max() > 1e-6, site


def test_no_hook_remains_after_an_error(tiny):
    before = hook_count(tiny.model)

    def fail(activation):
        raise RuntimeError("planned")

    def run():
        with hooks() as active:
            active.on_output(text_blocks(tiny.model)[0], fail)
            assert hook_count(tiny.model) == before + 1
            tiny.model.encode_text(pad(tiny.model, SENTENCE))

    with pytest.raises(RuntimeError, match="planned"):
        run()
    assert hook_count(tiny.model) == before


def test_a_hook_that_does_not_fire_is_an_error(tiny, monkeypatch):
    before = hook_count(tiny.model)
    monkeypatch.setattr(tiny.model, "encode_text", lambda tokens: torch.ones(1, 12).double())
    with pytest.raises(RuntimeError, match="1 hooks on resid fired 0 times"):
        patched_embedding(tiny.model, SENTENCE, SENTENCE, "resid", 2, [1], [1])
    assert hook_count(tiny.model) == before


def test_unknown_site_is_refused(tiny):
    with pytest.raises(ValueError, match="unknown site"):
        patched_embedding(tiny.model, SENTENCE, SENTENCE, "nowhere", 1, [1], [1])
