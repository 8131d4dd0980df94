"""Which text models of transformers cannot be traced, from what their configuration says."""

from __future__ import annotations

# By the configuration's model_type.  Why others are refused, by a word in their type or name.
MODEL_TYPES = ("bert", "roberta", "xlm-roberta")
REFUSED = {
    "t5": "T5 has no positional embedding but a relative bias in its attention",
    "nllb": "NLLB's encoder has sinusoidal positions and ReLU",
    "m2m": "M2M100's encoder has sinusoidal positions and ReLU",
}
POOLER_NAMES = ("mean_pooler", "cls_pooler", "cls_last_hidden_state_pooler")


def refusal(name: str, pooler: str, model_type: str | None) -> str | None:
    """Why a text tower of transformers cannot be traced, or None if it can, as far as is known.

    Args:
        name: open_clip's ``hf_model_name``.
        pooler: its ``hf_pooler_type``.
        model_type: in the model's ``config.json``; None where that is not at hand.
    """
    where = f"its text tower is a Hugging Face model ({name})"
    known = name.rpartition("/")[2] if model_type is None else model_type
    for word, reason in REFUSED.items():
        if word in known.lower():
            return f"{where}: {reason}"
    if model_type is not None and model_type not in MODEL_TYPES:
        return f"{where} of type {model_type}; {', '.join(MODEL_TYPES)} are known"
    if pooler not in POOLER_NAMES:
        return f"{where}, pooled by {pooler}; {', '.join(POOLER_NAMES)} are known"
    return None
