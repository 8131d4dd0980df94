"""Tiny random CLIPs of transformers, and its tokenizer for them."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch

transformers = pytest.importorskip("transformers")

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "vocab_size": 49408,
}
VISION = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "image_size": 32,
    "patch_size": 16,
}


def perturbed(model: torch.nn.Module) -> torch.nn.Module:
    """The model with every weight moved, biases and norms included."""
    for weight in model.eval().requires_grad_(False).parameters():
        if weight.ndim:
            weight.add_(0.1 * torch.randn_like(weight))
    return model


def clip(activation: str = "quick_gelu", **text) -> torch.nn.Module:
    torch.manual_seed(0)
    config = transformers.CLIPConfig(
        text_config=TEXT | {"hidden_act": activation} | text,
        vision_config=VISION | {"hidden_act": activation},
        projection_dim=24,
    )
    return perturbed(transformers.CLIPModel(config))


def siglip(**text) -> torch.nn.Module:
    size = {"hidden_size": 32, "intermediate_size": 128, "num_attention_heads": 4}
    config = transformers.SiglipConfig(
        text_config=size | {"num_hidden_layers": 3, "vocab_size": 60, "projection_size": 32} | text,
        vision_config=size | {"num_hidden_layers": 2, "image_size": 32, "patch_size": 16},
    )
    torch.manual_seed(0)
    return perturbed(transformers.SiglipModel(config))


def clip_tokenizer(folder: Path):
    """CLIP's tokenizer as transformers has it: padded with a second end token."""
    made = open_clip.SimpleTokenizer()
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {names.get(token, token): i for token, i in made.encoder.items()}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    merges = "\n".join(" ".join(pair) for pair in made.bpe_ranks)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    return transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))


def word_tokenizer(words: list[str], end: str, pad: str, single: str, **special):
    """A tokenizer of whole words, with the special tokens of a family."""
    tokenizers = pytest.importorskip("tokenizers")
    ids = {word: i for i, word in enumerate(words)}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(ids, unk_token="<unk>"))
    inner.normalizer = tokenizers.normalizers.Lowercase()
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    used = [(token, ids[token]) for token in single.split() if token != "$A"]
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single=single, special_tokens=used
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token=end, pad_token=pad, unk_token="<unk>", **special
    )
