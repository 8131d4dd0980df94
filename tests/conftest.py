"""Random text towers of every supported structure, and sentences for them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
import type_checks  # noqa: F401
from hypothesis import HealthCheck, settings
from torch import nn

from negtrace.models.alignment import Tokenizer, align
from negtrace.models.open_clip_tower import text_tower
from negtrace.models.tower import TextTower
from negtrace.models.tower_shape import TowerShape

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # as many threads as workers, not their square

# A busy machine fails no test.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


VOCABULARY = 60
SOT, EOT = VOCABULARY - 2, VOCABULARY - 1

VISION = {"image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "head_width": 16}

# What distinguishes each tower from the first.
STRUCTURES = {
    "causal_quick_gelu": {"quick_gelu": True},
    "causal_gelu": {},
    "own_attention_class": {"text_cfg": {"block_type": "custom"}},
    "layer_scale": {"text_cfg": {"ls_init_value": 0.3}},
    "deep_narrow": {"text_cfg": {"layers": 5, "width": 16, "heads": 2}},
    "no_projection": {"embed_dim": 24, "text_cfg": {"proj_type": "none"}},
    "bidirectional_last": {
        "custom_text": True,
        "text_cfg": {
            "no_causal_mask": True,
            "pool_type": "last",
            "proj_bias": True,
            "act_kwargs": {"approximate": "tanh"},
            "norm_kwargs": {"eps": 1e-6},
        },
    },
    "class_token": {
        "custom_text": True,
        "text_cfg": {"embed_cls": True},
    },
    "bidirectional_eot": {"text_cfg": {"no_causal_mask": True}},
    "bidirectional_first": {
        "custom_text": True,
        "text_cfg": {"no_causal_mask": True, "pool_type": "first"},
    },
    "bert_first": {
        "hugging_face": {"model_type": "bert", "max_position_embeddings": 14},
        "text_cfg": {"hf_pooler_type": "cls_pooler", "hf_proj_type": "linear"},
    },
    "roberta_mean": {
        "hugging_face": {"model_type": "roberta", "max_position_embeddings": 15},
        "text_cfg": {"hf_pooler_type": "mean_pooler", "hf_proj_type": "mlp"},
    },
}

# Of a text tower of transformers.
HUGGING_FACE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "num_attention_heads": 3,
    "num_hidden_layers": 3,
    "intermediate_size": 40,
    "pad_token_id": 0,
}


def configuration(structure: str, folder: Path) -> dict:
    """An open_clip configuration of a tiny model; that of its text tower lies in a folder."""
    config = {
        "embed_dim": 12,
        "vision_cfg": VISION,
        "text_cfg": {
            "context_length": 14,
            "vocab_size": VOCABULARY,
            "width": 24,
            "heads": 3,
            "layers": 3,
        },
    }
    changes = dict(STRUCTURES[structure])
    config["text_cfg"] |= changes.pop("text_cfg", {})
    if text := changes.pop("hugging_face", None):
        (folder / structure).mkdir()
        (folder / structure / "config.json").write_text(json.dumps(HUGGING_FACE | text))
        config["text_cfg"]["hf_model_name"] = str(folder / structure)
    return config | changes


@dataclass(frozen=True)
class TinyModel:
    """A random model in float64, and its text tower cut out."""

    structure: str
    model: nn.Module
    tower: TextTower


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory) -> dict[str, TinyModel]:
    """One random model per structure; every weight is perturbed, biases and norms included."""
    folder = tmp_path_factory.mktemp("configurations")
    models = {}
    for structure in STRUCTURES:
        path = folder / f"tiny_{structure}.json"
        path.write_text(json.dumps(configuration(structure, folder)))
        torch.manual_seed(len(models))
        open_clip.add_model_config(path)
        model = open_clip.create_model(path.stem, pretrained_text=False).double().eval()
        model.requires_grad_(False)
        step = 0.3 if "hugging_face" in STRUCTURES[structure] else 0.1  # transformers begins small
        for weight in model.parameters():
            weight.add_(step * torch.randn_like(weight))
        models[structure] = TinyModel(structure, model, text_tower(model))
    return models


@pytest.fixture(params=list(STRUCTURES))
def tiny(request, tiny_models) -> TinyModel:
    return tiny_models[request.param]


@pytest.fixture(scope="session")
def causal(tiny_models) -> TinyModel:
    return tiny_models["causal_quick_gelu"]


def embedding(tiny: TinyModel, tokens: list[int]) -> torch.Tensor:
    """open_clip's own unit-norm embedding of a sentence, start token to EOT [embed_dim]."""
    from negtrace.patching.slow_twin import pad

    return torch.nn.functional.normalize(tiny.model.encode_text(pad(tiny.model, tokens)), dim=-1)[0]


def alignment_table(pairs: list[tuple[list[int], list[int]]], shape: TowerShape) -> pd.DataFrame:
    """Alignment of token sequences (negated, affirmative)."""
    tokenizer = Tokenizer(lambda text: [int(t) for t in text.split()], "w{}".format, 1, 0)
    texts = [[" ".join(map(str, tokens)) for tokens in pair] for pair in pairs]
    table = pd.DataFrame(texts, columns=["negated", "affirmative"])
    return align(table.assign(pair_id=[f"pair{i}" for i in range(len(pairs))]), tokenizer, shape)


def items_of(pairs: int, items_per_pair: int) -> pd.DataFrame:
    """A candidates table: every pair shared by several items with images of their own."""
    return pd.DataFrame(
        [
            {
                "item_id": f"item{pair}_{k}",
                "pair_id": f"pair{pair}",
                "image_file": f"{pair}_{k}.png",
                "negation": ("caption", "foil")[(pair + k) % 2],
            }
            for k in range(items_per_pair)
            for pair in range(pairs)
        ]
    )


def random_images(items: pd.DataFrame, embed_dim: int, seed: int = 0) -> pd.DataFrame:
    """Unit-norm image embeddings."""
    vectors = np.random.default_rng(seed).normal(size=(len(items), embed_dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return pd.DataFrame({"image_file": items["image_file"], "embedding": list(vectors)})


def effect_rows(*cells: tuple[int, float, float]) -> pd.DataFrame:
    """A map of heads of block 2 from (head, ratio, p_fwer), for all items and those correct."""
    rows = [
        {
            "negation": "all",
            "segment": segment,
            "layer": 2,
            "head": head,
            "role": "all",
            "known": False,
            "ratio": ratio,
            "ratio_ci_low": ratio - 0.1,
            "ratio_ci_high": ratio + 0.1,
            "mean": 2 * ratio,
            "p": 1.0 if p_fwer == 1 else p_fwer / 2,
            "p_fwer": p_fwer,
            "q_fdr": p_fwer / 2,
            "n_items": 30,
        }
        for segment in ("correct", "all")
        for head, ratio, p_fwer in cells
    ]
    return pd.DataFrame(rows)
