"""TransformerLens 4 as a comparator: it has no text towers, so the tower becomes a GPT-2.

A causal text tower and GPT-2 are one architecture: LayerNorm before attention and MLP, learned
positions, a final LayerNorm and a projection.  `TransformerBridge` wraps transformers' own module.
"""

from __future__ import annotations

import torch
from peers import TransformerLensBatched
from subject import Subject
from torch import nn

from negtrace.models.tower import TextTower

ACTIVATIONS = {"gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh", "quick_gelu": "quick_gelu"}


def gpt2(tower: TextTower) -> nn.Module:
    """transformers' GPT-2 with a causal tower's weights; its logits are embeddings."""
    from transformers import GPT2Config, GPT2LMHeadModel

    shape, w = tower.shape, tower.weights
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=shape.vocab_size,
            n_positions=shape.context_length,
            n_embd=shape.width,
            n_layer=shape.layers,
            n_head=shape.heads,
            n_inner=shape.mlp_width,
            activation_function=ACTIVATIONS[shape.activation],
            layer_norm_epsilon=shape.ln_eps,
            tie_word_embeddings=False,
        )
    )
    model.lm_head = nn.Linear(shape.width, shape.embed_dim, bias=False)
    state = {
        "transformer.wte.weight": w["token_embedding"],
        "transformer.wpe.weight": w["positional_embedding"],
        "transformer.ln_f.weight": w["ln_final.weight"],
        "transformer.ln_f.bias": w["ln_final.bias"],
        "lm_head.weight": w["projection"].T,
    }
    theirs = {"ln_1": "ln_1", "ln_2": "ln_2", "qkv": "attn.c_attn", "out": "attn.c_proj"}
    theirs |= {"fc": "mlp.c_fc", "proj": "mlp.c_proj"}
    for i, block in enumerate(tower.blocks):
        for name, weight in block.items():
            part, kind = name.split(".")
            # GPT-2's products have their weights the other way round.
            turned = weight.T if weight.ndim == 2 else weight
            state[f"transformer.h.{i}.{theirs[part]}.{kind}"] = turned
    model.load_state_dict(state)
    return model.eval().requires_grad_(False)


class TransformerLensBridge(TransformerLensBatched):
    """TransformerLens 4's ready-made sweeps on batches of items of equal length."""

    name = "TransformerLens 4, batched"
    package = "transformer-lens"
    major = "4"
    devices = ("cpu",)

    @torch.inference_mode()
    def __init__(self, subject: Subject) -> None:
        from transformer_lens.model_bridge import TransformerBridge

        self.subject = subject
        model = gpt2(subject.tower)
        self.model = TransformerBridge.boot_transformers(
            "gpt2", hf_model=model, tokenizer=tokenizer(), device="cpu"
        )


def tokenizer() -> object:
    """A tokenizer of one word, so that none is fetched; with a start token it would be."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({"<|endoftext|>": 0}, unk_token="<|endoftext|>"))
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token=end, pad_token=end, unk_token=end
    )
