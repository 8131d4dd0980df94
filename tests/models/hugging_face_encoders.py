"""Tiny random CLIPs whose text tower is a BERT of transformers, and tokenizers of its families."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

SIZE = {
    "hidden_size": 24,
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 100,
}
ALPHABET = list("abcdefghijklmnopqrstuvwxyzTAI'.")
VISION = {"image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "head_width": 16}
SENTENCES = [
    "There are no red stars.",
    "There are some red stars.",
    "A heart is not shown.",
    "A heart is shown.",
    "It isn't raining.",
]


def configuration(folder: Path, model_type: str, pad: int, vocabulary: int, **text) -> dict:
    """open_clip's configuration; that of the text model is written to a folder."""
    folder.mkdir(exist_ok=True, parents=True)
    config = SIZE | {"model_type": model_type, "pad_token_id": pad, "vocab_size": vocabulary}
    (folder / "config.json").write_text(json.dumps(config | text.pop("config", {})))
    return {
        "embed_dim": 12,
        "vision_cfg": VISION,
        "text_cfg": {"hf_model_name": str(folder), "hf_tokenizer_name": str(folder)} | text,
    }


def model_of(config: dict) -> torch.nn.Module:
    """A model in float64 with every weight moved."""
    torch.manual_seed(0)
    text = open_clip.model.CLIPTextCfg(**config["text_cfg"], hf_model_pretrained=False)
    made = open_clip.CustomTextCLIP(config["embed_dim"], config["vision_cfg"], text)
    for weight in made.double().eval().requires_grad_(False).parameters():
        if weight.ndim:
            weight.add_(0.3 * torch.randn_like(weight))
    return made


def tokenizer(folder: Path, family: str):
    """A small tokenizer of a family, saved to a folder: WordPiece, byte-level BPE or Unigram."""
    if family == "bert":
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
        inner = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
        inner.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
        inner.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
        trainer = tokenizers.trainers.WordPieceTrainer(
            special_tokens=special, vocab_size=150, initial_alphabet=ALPHABET
        )
        names = {"pad": 0, "start": 2, "end": 3}
    else:
        special = ["<s>", "<pad>", "</s>", "<unk>"]
        names = {"start": 0, "pad": 1, "end": 2}
        if family == "roberta":
            inner = tokenizers.Tokenizer(tokenizers.models.BPE())
            inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
            trainer = tokenizers.trainers.BpeTrainer(
                special_tokens=special, vocab_size=150, initial_alphabet=ALPHABET
            )
        else:
            words = [f"▁{word.strip('.')}" for text in SENTENCES[:-1] for word in text.split()]
            scored = [(token, 0.0) for token in special]
            scored += [(word, -2.0) for word in dict.fromkeys(words)]
            scored += [(letter, -9.0) for letter in ["▁", *ALPHABET]]
            inner = tokenizers.Tokenizer(tokenizers.models.Unigram(scored, unk_id=3))
            inner.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
            trainer = None
    if trainer is not None:
        inner.train_from_iterator(SENTENCES[:-1] * 5, trainer)  # the last is in pieces
    start, end = special[names["start"]], special[names["end"]]
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, names["start"]), (end, names["end"])]
    )
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        cls_token=start,
        sep_token=end,
        pad_token=special[names["pad"]],
        unk_token=special[-1] if family != "bert" else "[UNK]",
    )
    made.save_pretrained(folder)
    return open_clip.tokenizer.HFTokenizer(str(folder))
