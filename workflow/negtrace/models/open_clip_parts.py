"""Parts of an open_clip text tower that compute, each of the exact class that is known.

A subclass, a wrapper or an adapter may change the forward pass without a trace in the weights that
are read off, so it is refused by name, with the remedy where one is known.
"""

from __future__ import annotations

from collections.abc import Iterator

from open_clip.model import CLIP
from open_clip.transformer import (
    Attention,
    CustomResidualAttentionBlock,
    LayerNorm,
    LayerNormFp32,
    LayerScale,
    QuickGELU,
    ResidualAttentionBlock,
    TextTransformer,
    Transformer,
)
from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from negtrace.errors import InputError

NORMS = (LayerNorm, LayerNormFp32, nn.LayerNorm)
BLOCKS = (ResidualAttentionBlock, CustomResidualAttentionBlock)
ABSENT = (nn.Identity,)
SCALES = (nn.Identity, LayerScale)
MLP_PARTS = (["c_fc", "gelu", "c_proj"], ["c_fc", "gelu", "ln", "c_proj"])

# The classes that each part of a text tower may have; parts not named here hold no computation.
PARTS: dict[type, dict[str, tuple[type, ...]]] = {
    ResidualAttentionBlock: {
        "ln_1": NORMS,
        "attn": (nn.MultiheadAttention,),
        "ls_1": SCALES,
        "ln_2": NORMS,
        "mlp": (nn.Sequential,),
        "ls_2": SCALES,
    },
    CustomResidualAttentionBlock: {
        "ln_1": NORMS,
        "attn": (Attention,),
        "ln_attn": ABSENT,
        "ls_1": SCALES,
        "ln_2": NORMS,
        "mlp": (nn.Sequential,),
        "ls_2": SCALES,
    },
    nn.MultiheadAttention: {"out_proj": (NonDynamicallyQuantizableLinear,)},
    Attention: {
        "ln_q": ABSENT,
        "ln_k": ABSENT,
        "ln_inner": ABSENT,
        "attn_drop": (nn.Dropout,),
        "out_proj": (nn.Linear,),
        "out_drop": (nn.Dropout,),
    },
    nn.Sequential: {
        "c_fc": (nn.Linear,),
        "gelu": (nn.GELU, QuickGELU),
        "ln": ABSENT,
        "c_proj": (nn.Linear,),
    },
    Transformer: {"resblocks": (nn.ModuleList,)},
}

MERGE = "merge the adapter into the weights first (with peft: merge_and_unload())"
UNWRAP = "pass the model that it wraps"
EXTRA_NORM = "tower.py has no such LayerNorm; models trained with it cannot be traced"

# What is known of classes that are not open_clip's, by a word in their module or name.
REMEDIES = {
    "transformers.": "give transformers' CLIPModel or SiglipModel, or open_clip.create_model's",
    "clip.model": "build it with open_clip.create_model('ViT-B-32-quickgelu', 'openai')",
    "OptimizedModule": f"{UNWRAP} (its _orig_mod)",
    "DataParallel": f"{UNWRAP} (its module)",
    "FullyShardedDataParallel": f"{UNWRAP} with its full weights",
    "peft": MERGE,
    "lora": MERGE,
    "adapter": MERGE,
    "quantized": "load the model without quantisation",
    "bitsandbytes": "load the model without quantisation",
    "jit": "build it with open_clip.create_model from the archive's weights",
    "Parametrized": "make it a plain weight (torch.nn.utils.parametrize.remove_parametrizations)",
}


def computing_parts(text: TextTransformer | CLIP) -> Iterator[tuple[str, nn.Module]]:
    """Every module that takes part in encoding text, by name, its class checked."""
    if isinstance(text, TextTransformer):
        yield "text", text
    check_class("token_embedding", text.token_embedding, (nn.Embedding,))
    yield "token_embedding", text.token_embedding
    check_class("transformer", text.transformer, (Transformer,))
    yield from _parts("transformer", text.transformer)
    check_class("ln_final", text.ln_final, NORMS)
    yield "ln_final", text.ln_final
    if isinstance(text.text_projection, nn.Module):
        check_class("text_projection", text.text_projection, (nn.Linear,))
        yield "text_projection", text.text_projection


def _parts(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    yield name, module
    if isinstance(module, nn.ModuleList):
        for number, block in enumerate(module):
            check_class(f"{name}.{number}", block, tuple(BLOCKS))
            yield from _parts(f"{name}.{number}", block)
        return
    if type(module) is nn.Sequential and list(module._modules) not in MLP_PARTS:
        raise InputError(
            f"{name} of the text tower has the parts {', '.join(module._modules)}, expected "
            f"{', '.join(MLP_PARTS[0])}; it cannot be traced"
        )
    for part, classes in PARTS.get(type(module), {}).items():
        if part in module._modules:
            inner = getattr(module, part)
            check_class(f"{name}.{part}", inner, classes)
            yield from _parts(f"{name}.{part}", inner)


def check_class(name: str, module: object, classes: tuple[type, ...]) -> None:
    if type(module) not in classes:
        expected = " or ".join(dict.fromkeys(kind.__name__ for kind in classes))
        raise refused(f"{name} of the text tower", module, expected)


def refused(what: str, found: object, expected: str) -> InputError:
    kind = type(found)
    full = f"{kind.__module__}.{kind.__name__}"
    remedy = next(
        (advice for word, advice in REMEDIES.items() if word.lower() in full.lower()),
        EXTRA_NORM if isinstance(found, nn.LayerNorm) else "it cannot be traced",
    )
    return InputError(f"{what} is of class {full}, not {expected}; {remedy}")
