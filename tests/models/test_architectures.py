"""All of open_clip's architectures: refused with a reason, or the same forward pass."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.model import _build_text_tower

from negtrace.models.architectures import as_markdown, survey
from negtrace.models.open_clip_tower import text_tower
from negtrace.patching.forward_passes import run_sentences

PAGE = Path(__file__).parents[2] / "docs" / "architectures.md"
SURVEY = survey()
TRACED = SURVEY.loc[SURVEY["refused"].isna(), "architecture"].tolist()
# Of transformers' text towers, see test_hugging_face_encoder.py.
NATIVE = SURVEY.loc[SURVEY["refused"].isna() & SURVEY["layers"].notna(), "architecture"].tolist()
VOCABULARY = 90


def scaled_down(name: str) -> str:
    """A text tower of the same structure with 2 blocks of 3 heads, as JSON."""
    config = open_clip.get_model_config(name)
    text = {
        key: value
        for key, value in config["text_cfg"].items()
        if not key.startswith(("hf_", "tokenizer"))
    }
    text |= {"width": 24, "heads": 3, "layers": 2, "vocab_size": VOCABULARY}
    return json.dumps([text, bool(config.get("quick_gelu"))], sort_keys=True)


STRUCTURES = sorted({scaled_down(name) for name in NATIVE})


def test_page_is_up_to_date():
    assert PAGE.read_text() == as_markdown(SURVEY), "run: python -m negtrace.models.architectures"


def test_what_is_refused():
    refused = SURVEY[SURVEY["refused"].notna()]
    assert len(TRACED) > 100
    assert refused["refused"].str.contains("Hugging Face").all()
    assert {"ViT-B-32-quickgelu", "coca_ViT-B-32", "ViT-B-16-SigLIP2", "RN50"} <= set(TRACED)
    assert {"mt5-base-ViT-B-32", "nllb-clip-base"} <= set(refused["architecture"])
    roberta = {"roberta-ViT-B-32", "coca_roberta-ViT-B-32", "xlm-roberta-large-ViT-H-14"}
    assert roberta <= set(TRACED) - set(NATIVE)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_forward_pass_equals_open_clip(structure):
    text, quick_gelu = json.loads(structure)
    torch.manual_seed(0)
    module = _build_text_tower(20, dict(text), quick_gelu).double().eval().requires_grad_(False)
    for weight in module.parameters():
        weight.add_(0.1 * torch.randn_like(weight))
    tower = text_tower(module)
    end = text.get("eos_id", VOCABULARY - 1) if text.get("pool_type") == "eos" else VOCABULARY - 1
    n = tower.shape.context_length
    sentences = [[*torch.randint(3, VOCABULARY - 1, (m,)).tolist(), end] for m in (5, 9, 3)]
    padded = torch.zeros(3, n, dtype=torch.long)
    for row, tokens in enumerate(sentences):
        padded[row, : len(tokens)] = torch.tensor(tokens)
    out = module(padded)
    expected = F.normalize(out[0] if isinstance(out, tuple) else out, dim=-1)
    found = run_sentences(tower, [tower.shape.complete(s) for s in sentences]).embedding
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    assert (expected[0] - expected[1]).abs().max() > 1e-3
