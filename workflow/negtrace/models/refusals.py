"""Refusals: configurations of models that cannot be traced, and why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from negtrace.errors import InputError
from negtrace.models import hugging_face_refusals
from negtrace.models.configurations import HUGGING_FACE_FILE, Configuration, read_mapping

CLIP_VOCABULARY = 49408


def check_vocabulary(found: Configuration) -> None:
    """CLIP's own tokenizer needs as many rows of the token embedding as it has tokens.

    Raises:
        InputError: the vocabulary is smaller.
    """
    size = found.model["text_cfg"].get("vocab_size", CLIP_VOCABULARY)
    if found.tokenizer is None and (not isinstance(size, int) or size < CLIP_VOCABULARY):
        raise InputError(
            f"{found.name}: text_cfg.vocab_size is {size}, but CLIP's tokenizer has "
            f"{CLIP_VOCABULARY} tokens; name the model's own with text_cfg.hf_tokenizer_name (a "
            "folder or a repository of the hub)"
        )


def refusal(config: Mapping[str, Any]) -> str | None:
    """Why a model with this configuration cannot be traced, or None if it can."""
    text = config["text_cfg"]
    if name := text.get("hf_model_name"):
        from open_clip.model import CLIPTextCfg

        pooler = text.get("hf_pooler_type") or CLIPTextCfg.hf_pooler_type
        return hugging_face_refusals.refusal(name, pooler, _model_type(name))
    if text.get("correct_cls_mask"):
        return "its class token has another mask than CoCa's (text_cfg.correct_cls_mask)"
    if text.get("embed_cls") and text.get("no_causal_mask"):
        return "it has a class token but no causal mask (text_cfg.embed_cls, no_causal_mask)"
    if text.get("use_pad_mask"):
        return "it masks padding (text_cfg.use_pad_mask)"
    if text.get("tokenizer_mode"):
        return "its tokenizer has a mode of its own (text_cfg.tokenizer_mode)"
    for key in ("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner"):
        if text.get(key):
            return f"its attention departs from softmax(q k / sqrt(d)) v (text_cfg.{key})"
    for key in ("scale_attn", "scale_fc"):
        if text.get(key):
            return f"its blocks have extra LayerNorms (text_cfg.{key})"
    causal = not text.get("no_causal_mask", False)
    pool = text.get("pool_type", "argmax")
    if pool == "none" or (pool == "eos" and not causal):
        return f"its sentence embedding is pooled in an unknown way (text_cfg.pool_type={pool})"
    return None


def _model_type(name: str) -> str | None:
    """The type of a text model of transformers, if its configuration is at hand."""
    file = Path(name) / HUGGING_FACE_FILE
    return str(read_mapping(file).get("model_type")) if file.is_file() else None
