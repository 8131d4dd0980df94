"""Architectures: which of open_clip's can be traced, and if not, why.

python -m negtrace.models.architectures > docs/architectures.md
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import open_clip
import pandas as pd

from negtrace.models.configurations import builtin_configurations
from negtrace.models.refusals import refusal

POOLING = {"argmax": "EOT", "eos": "EOT", "first": "first token", "last": "last token"}
POOLING |= {"mean_pooler": "mean", "cls_pooler": "first token"}


def survey() -> pd.DataFrame:
    """All of open_clip's own configurations, by name.

    Returns:
        columns architecture, refused (reason in one line, or null), layers, heads, width, context,
        mask, pooled, activation, tokenizer; null where a Hugging Face model decides.
    """
    return pd.DataFrame([_row(name) for name in sorted(_builtin(), key=str.lower)])


def _builtin() -> list[str]:
    return [path.stem for path in builtin_configurations().glob("*.json")]


def _row(name: str) -> dict[str, Any]:
    config = open_clip.get_model_config(name)
    text = config["text_cfg"]
    row = {"architecture": name, "refused": refusal(config)}
    if text.get("hf_model_name"):
        return row | {
            "mask": "padding",
            "pooled": POOLING[text.get("hf_pooler_type", "mean_pooler")],
            "tokenizer": text["hf_tokenizer_name"],
        }
    own = text.get("act_kwargs", {}).get("approximate") == "tanh"
    return row | {
        "layers": text.get("layers", 12),
        "heads": text.get("heads", 8),
        "width": text.get("width", 512),
        "context": text.get("context_length", 77),
        "mask": "none" if text.get("no_causal_mask") else "causal",
        "pooled": "class token"
        if text.get("embed_cls")
        else POOLING[text.get("pool_type", "argmax")],
        "activation": "QuickGELU"
        if config.get("quick_gelu")
        else ("GELU, tanh" if own else "GELU"),
        "tokenizer": text.get("hf_tokenizer_name", "CLIP"),
    }


def as_markdown(table: pd.DataFrame) -> str:
    """The survey as a page."""
    supported, refused = table[table["refused"].isna()], table[table["refused"].notna()]
    columns = [name for name in table.columns if name != "refused"]
    lines = [
        "# Architectures",
        "",
        f"The text towers of open_clip {version('open_clip_torch')}'s own configurations:"
        f" {len(supported)} can be traced, {len(refused)} are refused by name. Written by"
        " `python -m negtrace.models.architectures`; a test compares the forward pass of each,"
        " scaled down, with open_clip's. What a tower of transformers (RoBERTa) leaves open stands"
        " in the configuration of its tokenizer's repository.",
        "",
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
        *("| " + " | ".join(_cells(row, columns)) + " |" for row in supported.to_dict("records")),
        "",
        "## Refused",
        "",
        "| architecture | reason |",
        "|---|---|",
        *(f"| {row['architecture']} | {row['refused']} |" for row in refused.to_dict("records")),
        "",
    ]
    return "\n".join(lines)


def _cells(row: Mapping[Any, Any], columns: list[str]) -> list[str]:
    shown = ["" if pd.isna(row[c]) else row[c] for c in columns]
    return [f"{value:.0f}" if isinstance(value, float) else str(value) for value in shown]


if __name__ == "__main__":
    print(as_markdown(survey()), end="")
