"""A small random CLIPSeg, saved as the hub has the real one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="CLIPSeg needs transformers")

SIZE = 32
SOT, EOT = "<|startoftext|>", "<|endoftext|>"
SPECIAL = {"bos_token": SOT, "eos_token": EOT, "unk_token": EOT, "pad_token": EOT}


def save_tiny_clipseg(folder: Path) -> Path:
    """Write a random CLIPSeg whose tokens are single letters."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = [SOT, EOT, *letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), **SPECIAL
    )
    images = transformers.ViTImageProcessor(size={"height": SIZE, "width": SIZE})
    transformers.CLIPSegProcessor(images, tokenizer).save_pretrained(folder)
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    torch.manual_seed(0)
    config = transformers.CLIPSegConfig(
        text_config={
            **tower,
            "num_hidden_layers": 2,
            "vocab_size": len(vocabulary),
            "max_position_embeddings": 40,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 1,
        },
        vision_config={**tower, "num_hidden_layers": 3, "image_size": SIZE, "patch_size": 8},
        projection_dim=12,
        reduce_dim=8,
        extract_layers=[0, 1, 2],
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
        conditional_layer=0,
    )
    segmenter = transformers.CLIPSegForImageSegmentation(config)
    with torch.no_grad():
        for weight in segmenter.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    segmenter.save_pretrained(folder)
    return folder
