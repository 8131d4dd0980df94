"""Checkpoints from hub, mirror, URL and disk; later jobs find them without a network."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch
from http_server import printed_with_hub, serve
from safetensors.torch import save_file
from torch import nn

from negtrace.errors import InputError
from negtrace.fetching.downloads import Downloads
from negtrace.models.model_specs import ModelSpec, Pretrained
from negtrace.models.openclip import load
from negtrace.models.weights_download import fetch_weights
from negtrace.tables.store import sha256

ARCHITECTURE = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
REPOSITORY = "owner/model"


@pytest.fixture
def architecture(tmp_path) -> str:
    path = tmp_path / "weights-test.json"
    path.write_text(json.dumps(ARCHITECTURE))
    return str(path)


@pytest.fixture
def checkpoint(tmp_path, architecture) -> Path:
    """A checkpoint of the architecture, seed 3."""
    model = load(ModelSpec(architecture, seed=3)).model
    path = tmp_path / "published.safetensors"
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)
    return path


@pytest.fixture
def tagged(monkeypatch, architecture):
    """Make `published` a pretrained tag of the architecture, with the given sources."""

    def tag(**sources) -> ModelSpec:
        open_clip.add_model_config(Path(architecture))
        name = Path(architecture).stem
        tags = {"published": {"quick_gelu": True, "mean": (0.5, 0.5, 0.5), **sources}}
        monkeypatch.setitem(open_clip.pretrained._PRETRAINED, name, tags)
        return ModelSpec(architecture, "published")

    return tag


def test_the_mirror_comes_first_and_pixels_are_as_the_tag_says(tagged, checkpoint, tmp_path):
    spec = tagged(hf_hub=f"{REPOSITORY}/")
    mirror = tmp_path / "mirror"
    place = mirror / f"huggingface.co/{REPOSITORY}/resolve/main/open_clip_model.safetensors"
    place.parent.mkdir(parents=True)
    place.write_bytes(checkpoint.read_bytes())
    found = fetch_weights(spec, tmp_path / "model", Downloads(mirror, offline=True))
    assert found.sha256 == sha256(checkpoint)
    assert Path(found.checkpoint).parent == tmp_path / "model" / "checkpoint"
    assert list(found.urls.values()) == [
        f"https://huggingface.co/{REPOSITORY}/resolve/main/open_clip_model.safetensors"
    ]
    loaded = load(spec, found.checkpoint)
    original = load(ModelSpec(spec.architecture, seed=3))
    assert loaded.identity["weights_sha256"] == original.identity["weights_sha256"]
    assert loaded.identity["weights"] == "published"
    mean = [t.mean for t in loaded.preprocess.transforms if hasattr(t, "mean")]
    assert mean == [(0.5, 0.5, 0.5)]


def test_offline_without_a_mirror_names_the_place_in_it(tagged, tmp_path):
    spec = tagged(hf_hub=f"{REPOSITORY}/")
    with pytest.raises(
        InputError, match=r"owner/model cannot be had: offline; .*downloads\.mirror"
    ):
        fetch_weights(spec, tmp_path, Downloads(offline=True))
    wanted = r"put it at .*huggingface\.co/owner/model/resolve/main/open_clip_model\.safetensors"
    with pytest.raises(InputError, match=wanted):
        fetch_weights(spec, tmp_path, Downloads(tmp_path / "mirror", offline=True))


def test_a_tag_with_an_address_of_its_own(tagged, checkpoint, tmp_path):
    with serve({"/files/published.safetensors": checkpoint.read_bytes()}) as server:
        url = server.url("/files/published.safetensors")
        spec = tagged(url=url)
        found = fetch_weights(spec, tmp_path / "model", Downloads())
        again = fetch_weights(spec, tmp_path / "model", Downloads())
        assert found == again
        assert found.urls == {found.checkpoint: url}
        assert [request.method for request in server.requests] == ["GET"]
    assert found.sha256 == sha256(checkpoint)


def test_local_and_random_weights_need_no_network(architecture, checkpoint, tmp_path):
    offline = Downloads(offline=True)
    local = fetch_weights(ModelSpec(architecture, str(checkpoint)), tmp_path / "a", offline)
    assert (local.checkpoint, local.sha256) == (str(checkpoint), sha256(checkpoint))
    assert not local.urls
    random = fetch_weights(ModelSpec(architecture), tmp_path / "b", offline)
    assert (random.checkpoint, random.sha256, random.urls) == (None, None, {})


class Program(nn.Module):
    """Weights in a TorchScript program, under the names of a state dict."""

    def __init__(self, state: dict[str, torch.Tensor]) -> None:
        super().__init__()
        branches: dict[str, dict[str, torch.Tensor]] = {}
        for name, weight in state.items():
            head, _, rest = name.partition(".")
            if rest:
                branches.setdefault(head, {})[rest] = weight
            else:
                self.register_parameter(head, nn.Parameter(weight.float(), requires_grad=False))
        for head, branch in branches.items():
            self.add_module(head, Program(branch))

    def forward(self) -> int:
        return 1


def test_programs_as_openai_published_them_are_read(architecture, checkpoint, tmp_path):
    original = load(ModelSpec(architecture, seed=3))
    state = {k: v for k, v in original.model.state_dict().items() if k != "attn_mask"}
    extras = {"input_resolution": torch.tensor(16.0), "context_length": torch.tensor(77.0)}
    archive = tmp_path / "ViT.pt"
    torch.jit.save(torch.jit.script(Program(state | extras)), archive)
    spec = ModelSpec(architecture, str(archive))
    found = fetch_weights(spec, tmp_path / "model", Downloads())
    assert found.sha256 == sha256(archive)
    assert found.checkpoint == str(archive)
    loaded = load(spec, found.checkpoint)
    for name, weight in loaded.model.state_dict().items():
        assert torch.equal(weight, original.model.state_dict()[name]), name


def test_the_hub_is_asked_over_http(checkpoint, tmp_path):
    path = f"/{REPOSITORY}/resolve/main/open_clip_pytorch_model.bin"
    script = (
        "import sys; from pathlib import Path;"
        "from negtrace.fetching.downloads import Downloads;"
        "from negtrace.models.model_specs import Pretrained;"
        "from negtrace.models.weights_download import _fetch_checkpoint as fetch;"
        f"names = {Pretrained.__name__}('{REPOSITORY}', ('open_clip_model.safetensors',"
        " 'open_clip_pytorch_model.bin'), None, None);"
        "print(*fetch(names, Path(sys.argv[1]), Downloads()))"
    )
    with serve({path: checkpoint.read_bytes()}) as server:
        printed = printed_with_hub(
            server, script, tmp_path / "checkpoint", cache=tmp_path / "cache"
        )
    file, url = printed.split()
    assert sha256(file) == sha256(checkpoint)
    assert url == f"https://huggingface.co{path}"
