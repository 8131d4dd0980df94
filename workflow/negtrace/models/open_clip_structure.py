"""Structure: whether a model's text tower computes what `tower.py` describes, and nothing else.

Its parts have the classes that are known (`open_clip_parts.py`), no hook stands between weights and
output, all blocks are alike, and mask and pooling are some that the engine has.
"""

from __future__ import annotations

from typing import TypeAlias

import open_clip
import torch
from open_clip.hf_model import HFTextEncoder
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.transformer import ResidualAttentionBlock, TextTransformer
from torch import nn

from negtrace.errors import InputError
from negtrace.models.hugging_face_encoder import check_encoder
from negtrace.models.open_clip_parts import check_class, computing_parts, refused
from negtrace.models.untouched import check_globally_untouched, check_loaded, check_untouched

# An open_clip model with a text tower, or that tower.
Model: TypeAlias = CLIP | CustomTextCLIP | open_clip.CoCa | TextTransformer | HFTextEncoder
MODELS = (CLIP, CustomTextCLIP, open_clip.CoCa, TextTransformer, HFTextEncoder)
TOWERS = (TextTransformer, HFTextEncoder)


def text_module(model: Model) -> TextTransformer | HFTextEncoder | CLIP:
    """The part of a model that encodes text: of its own, or the model itself."""
    return model if isinstance(model, TOWERS) else getattr(model, "text", model)


def check_structure(model: Model) -> None:
    """Compare a model's text tower with the structure that `tower.py` describes.

    Raises:
        InputError: it has a part that `tower.py` lacks, or one that may change the forward pass;
            names the part and the remedy.
    """
    if type(model) not in MODELS:
        raise refused("the model", model, "open_clip's CLIP, CustomTextCLIP or CoCa")
    if type(model) in (CustomTextCLIP, open_clip.CoCa):
        check_class("text", model.text, TOWERS)
    check_loaded(model)
    check_untouched("the model", model, ("encode_text", "forward"))
    check_globally_untouched()
    text = text_module(model)
    if isinstance(text, HFTextEncoder):
        check_encoder(text)
        return
    for name, module in computing_parts(text):
        check_untouched(name, module, ("forward", "_embeds", "attention"))
        if isinstance(module, nn.LayerNorm):
            _check_norm(name, module, text.token_embedding.embedding_dim)
    _check_embedding(text)
    _check_blocks(text.transformer.resblocks)
    _check_mask_and_pooling(model, text)


def _check_norm(name: str, norm: nn.LayerNorm, width: int) -> None:
    if tuple(norm.normalized_shape) != (width,) or norm.weight is None or norm.bias is None:
        raise InputError(
            f"{name} of the text tower is a LayerNorm without weight or bias, or of another width "
            f"than {width}; it cannot be traced"
        )


def _check_embedding(text: TextTransformer | CLIP) -> None:
    if text.token_embedding.max_norm is not None:
        raise InputError(
            "token_embedding of the text tower has a max_norm, which changes its weights while it "
            "runs; set it to None"
        )


def _check_blocks(blocks: nn.ModuleList) -> None:
    """Every block has the same shape, and attention has nothing besides softmax(q k) v."""
    if not len(blocks):
        raise InputError("the text tower has no blocks; there is nothing to trace")
    shapes = [_block_shape(block) for block in blocks]
    for number, shape in enumerate(shapes, start=1):
        for key, value in shape.items():
            if value != shapes[0][key]:
                raise InputError(
                    f"block {number} of the text tower has {key} {value}, block 1 has "
                    f"{shapes[0][key]}; only towers of equal blocks can be traced"
                )
    block: ResidualAttentionBlock
    for number, block in enumerate(blocks, start=1):
        attention = block.attn
        odd = [
            name
            for name in ("bias_k", "bias_v", "add_zero_attn", "logit_scale", "head_scale")
            if not (_lacks(attention, name) or getattr(attention, name) is False)
        ]
        odd += [name for name in ("in_proj_weight", "in_proj_bias") if _lacks(attention, name)]
        odd += ["out_proj.bias"] * _lacks(attention.out_proj, "bias")
        odd += [
            f"mlp.{n}.bias" for n in ("c_fc", "c_proj") if _lacks(block.mlp._modules[n], "bias")
        ]
        if odd:
            raise InputError(
                f"block {number} of the text tower departs from plain attention and MLP "
                f"({', '.join(odd)}); it cannot be traced"
            )


def _lacks(module: nn.Module, name: str) -> bool:
    return getattr(module, name, None) is None


def _block_shape(block: ResidualAttentionBlock) -> dict[str, object]:
    activation = block.mlp.gelu
    return {
        "heads": block.attn.num_heads,
        "MLP width": block.mlp.c_fc.out_features,
        "activation": (type(activation).__name__, getattr(activation, "approximate", "")),
    }


def _check_mask_and_pooling(model: Model, text: TextTransformer | CLIP) -> None:
    norms = [text.ln_final, *(n for b in text.transformer.resblocks for n in (b.ln_1, b.ln_2))]
    if len({norm.eps for norm in norms}) > 1:
        raise InputError("the LayerNorms of the text tower differ in eps; it cannot be traced")
    mask, positions = text.attn_mask, len(text.positional_embedding)
    if type(model) is CLIP and positions != model.context_length:
        raise InputError(
            f"the model has {positions} positional embeddings for sentences of "
            f"{model.context_length} tokens (context_length): its own encode_text cannot run; set "
            "them alike"
        )
    if mask is not None:
        causal = torch.full((positions, positions), float("-inf")).triu(1)
        if mask.shape != causal.shape or not torch.equal(mask.detach().cpu().float(), causal):
            raise InputError("attn_mask of the text tower is not the causal mask; set it as it was")
    if getattr(text, "use_pad_mask", False):
        raise InputError("the text tower masks padding (use_pad_mask); it cannot be traced")
    if getattr(text, "cls_emb", None) is not None:
        if mask is None:
            raise InputError(
                "the text tower has a class token but no causal mask (embed_cls, no_causal_mask); "
                "it cannot be traced"
            )
        if text.correct_cls_mask:
            raise InputError(
                "the class token has another mask than CoCa's (correct_cls_mask); it cannot be "
                "traced"
            )
        return
    pool = pool_type(model, text)
    if pool not in ("argmax", "eos", "first", "last"):
        raise InputError(f"the text tower pools by {pool!r}; argmax, eos, first and last are known")
    if pool == "first" and mask is not None:
        raise InputError(
            "the text tower is causal and pools the first token (pool_type first), which sees no "
            "other: all sentences have one embedding; set no_causal_mask, or another pool_type"
        )


def eos_id(model: Model, text: TextTransformer | CLIP) -> int:
    """The token that a text tower with pool_type eos is pooled at."""
    found: int = model.text_eos_id if type(model) is CLIP else text.eos_id
    return found


def pool_type(model: Model, text: TextTransformer | CLIP) -> str:
    """open_clip's name of how a text tower is pooled."""
    found: str = model.text_pool_type if type(model) is CLIP else text.pool_type
    return found
