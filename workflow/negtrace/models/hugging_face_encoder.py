"""open_clip's HFTextEncoder: a BERT, RoBERTa or XLM-RoBERTa of transformers as a text tower.

They are post-norm: each LayerNorm behind a sum is what the next sublayer reads and adds to.  Under
`tower.py`'s names it is that sublayer's norm, the embeddings' LayerNorm being the first block's and
the last block's `ln_final`.
"""

from __future__ import annotations

from typing import Any

from open_clip.hf_model import HFTextEncoder
from torch import Tensor, nn

from negtrace.errors import InputError
from negtrace.models.hugging_face_parts import (
    Family,
    activation_of,
    block_weights,
    blocks_of,
    check_parts,
)
from negtrace.models.open_clip_parts import check_class
from negtrace.models.tower import TextTower
from negtrace.models.tower_shape import Pooling, ReadOut, TowerShape
from negtrace.models.tower_weights import of_one_dtype
from negtrace.models.untouched import check_untouched

BERT = Family(
    token_embedding="embeddings.word_embeddings",
    position_embedding="embeddings.position_embeddings",
    blocks="encoder.layer",
    qkv=("attention.self.query", "attention.self.key", "attention.self.value"),
    block={
        "out": "attention.output.dense",
        "ln_2": "attention.output.LayerNorm",
        "fc": "intermediate.dense",
        "proj": "output.dense",
    },
    activation="intermediate.intermediate_act_fn",
)

CLASSES = tuple(
    f"transformers.models.{module}.modeling_{module}.{name}"
    for module, name in (
        ("bert", "BertModel"),
        ("roberta", "RobertaModel"),
        ("xlm_roberta", "XLMRobertaModel"),
    )
)
POOLERS: dict[str, Pooling] = {
    "MeanPooler": "mean",
    "ClsPooler": "first",
    "ClsLastHiddenStatePooler": "first",
}


def check_encoder(text: HFTextEncoder) -> None:
    """Compare a text encoder with the structure that `tower.py` describes.

    Raises:
        InputError: it has a part that `tower.py` lacks, or one that may change the forward pass.
    """
    inner = text.transformer
    kind = f"{type(inner).__module__}.{type(inner).__qualname__}"
    if kind not in CLASSES or inner.config.is_decoder:
        raise InputError(
            f"text.transformer is of class {kind}, or a decoder; BERT, RoBERTa and XLM-RoBERTa "
            "encoders can be traced"
        )
    if type(text.pooler).__name__ not in POOLERS:
        raise InputError(f"the text tower pools by {type(text.pooler).__name__}; use another model")
    check_untouched("text", text, ("forward",))
    check_untouched("text.pooler", text.pooler, ("forward",))
    check_parts("text.transformer", inner)
    blocks_of(inner, BERT)
    check_class("text.proj", text.proj, (nn.Identity, nn.Linear, nn.Sequential))
    for name, part in text.proj.named_modules(prefix="text.proj"):
        check_class(name, part, (nn.Identity, nn.Linear, nn.Sequential, nn.GELU))
        check_untouched(name, part, ("forward",))


def encoder_tower(
    text: HFTextEncoder, pad_id: int, identity: dict[str, Any] | None = None
) -> TextTower:
    """The text tower of a checked encoder; the embedding of token type 0 is part of positions.

    Raises:
        InputError: the tokenizer pads with another token than the model hides.
    """
    inner, config = text.transformer, text.config
    if pad_id != config.pad_token_id:
        raise InputError(
            f"the tokenizer pads with token {pad_id}, the model hides {config.pad_token_id} "
            "(pad_token_id); use the model's own tokenizer"
        )
    blocks = blocks_of(inner, BERT)
    embeddings = inner.embeddings
    # RoBERTa counts positions from behind its padding token's.
    first = pad_id + 1 if hasattr(embeddings, "create_position_ids_from_input_ids") else 0
    weights: dict[str, Tensor] = {
        "token_embedding": embeddings.word_embeddings.weight,
        "positional_embedding": embeddings.position_embeddings.weight[first:]
        + embeddings.token_type_embeddings.weight[0],
    }
    norms = [embeddings.LayerNorm, *(block.output.LayerNorm for block in blocks)]
    names = [*(f"blocks.{number}.ln_1" for number in range(1, len(norms))), "ln_final"]
    for name, norm in zip(names, norms, strict=True):
        weights |= {f"{name}.weight": norm.weight, f"{name}.bias": norm.bias}
    for number, block in enumerate(blocks, start=1):
        for name, weight in block_weights(block, BERT):
            weights[f"blocks.{number}.{name}"] = weight
    read_out = _read_out(text, weights)
    shape = TowerShape(
        width=config.hidden_size,
        heads=config.num_attention_heads,
        layers=len(blocks),
        mlp_width=config.intermediate_size,
        context_length=len(weights["positional_embedding"]),
        vocab_size=len(weights["token_embedding"]),
        embed_dim=text.output_dim,
        activation=activation_of(blocks[0], BERT),
        causal=False,
        pool=POOLERS[type(text.pooler).__name__],
        ln_eps=config.layer_norm_eps,
        pad_id=pad_id,
        hides_padding=True,
        post_norm=True,
        read_out=read_out,
    )
    return TextTower(shape, of_one_dtype(weights), identity)


def _read_out(text: HFTextEncoder, weights: dict[str, Tensor]) -> tuple[ReadOut, ...]:
    """Add the layers behind pooling to the weights; returns their non-linearities."""
    linear: list[nn.Linear] = []
    kinds: list[ReadOut] = []
    pooler = getattr(text.transformer, "pooler", None)
    if pooler is not None and getattr(text.pooler, "use_pooler_output", False):
        linear.append(pooler.dense)
        kinds.append("tanh")
    maps = [part for part in text.proj.modules() if isinstance(part, nn.Linear)]
    linear += maps[:-1]
    kinds += ["gelu"] * (len(maps) - 1)
    for number, layer in enumerate(linear, start=1):
        weights[f"read_out.{number}.weight"] = layer.weight
        if layer.bias is not None:
            weights[f"read_out.{number}.bias"] = layer.bias
    if maps:
        weights["projection"] = maps[-1].weight.T
    return tuple(kinds)
