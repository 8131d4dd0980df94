"""A tiny model, and whether files of weights give its embeddings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import Tensor, nn

from negtrace.models.checkpoints import model_weights
from negtrace.models.model_specs import ModelSpec
from negtrace.models.openclip import LoadedModel, load
from negtrace.models.weight_reading import read_weight_file

TINY = {
    "embed_dim": 24,
    "quick_gelu": False,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 32, "layers": 2, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 60, "width": 32, "heads": 4, "layers": 3},
}


def architecture(folder: Path, name: str = "tiny-checkpoint", **changes: Any) -> str:
    """A configuration file; keys of towers are merged, `None` removes a key."""
    config = json.loads(json.dumps(TINY))
    for key, value in changes.items():
        if isinstance(value, Mapping):
            config[key] |= value
        elif value is None:
            del config[key]
        else:
            config[key] = value
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    return str(path)


def perturbed(model: nn.Module, seed: int = 0) -> nn.Module:
    """Every weight away from its first value, so that none is a neutral one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name != "logit_scale":
                weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return model


def tiny(architecture: str, seed: int = 0) -> nn.Module:
    """A random model of a configuration file."""
    torch.manual_seed(seed)
    open_clip.add_model_config(Path(architecture))
    model = open_clip.create_model(Path(architecture).stem).eval()
    return perturbed(model.requires_grad_(False), seed)


@torch.inference_mode()
def embeddings(model: nn.Module, context_length: int = 77) -> Tensor:
    """Of two sentences and a picture [3, embed_dim]."""
    table = next(
        w for name, w in model.named_parameters() if name.endswith("token_embedding.weight")
    )
    sot, eot = len(table) - 2, len(table) - 1
    tokens = torch.zeros(2, context_length, dtype=torch.long)
    tokens[0, :5] = torch.tensor([sot, 5, 9, 13, eot])
    tokens[1, :7] = torch.tensor([sot, 5, 9, 33, 13, 21, eot])
    size = model.visual.image_size
    side = size if isinstance(size, int) else size[0]
    picture = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    return torch.cat([model.encode_text(tokens), model.encode_image(picture)]).float()


def loaded(architecture: str, weights: Path | str, **entry: Any) -> LoadedModel:
    return load(ModelSpec(architecture, str(weights), **entry))


def filled(shell: nn.Module, path: Path) -> nn.Module:
    """The model with the weights of a file; quicker than `load`, which builds it anew."""
    shell.load_state_dict(model_weights(read_weight_file(path), shell, path).state)
    return shell


def same(found: nn.Module, expected: nn.Module) -> bool:
    ours, theirs = embeddings(found), embeddings(expected)
    assert theirs.abs().max() > 1e-2
    return torch.allclose(ours, theirs, atol=1e-5)
