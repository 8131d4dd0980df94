"""Where a model comes from: folders, the hub, own configurations; what is said of its weights."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from pathlib import Path

import open_clip
import pytest
import torch
from checkpoint_cases import TINY, architecture, perturbed, same
from http_server import printed_with_hub, serve
from safetensors.torch import save_file
from test_openclip import word_tokenizer  # noqa: F401

from negtrace.errors import InputError
from negtrace.fetching.downloads import Downloads
from negtrace.models.activations import check_activation
from negtrace.models.configurations import read_configuration
from negtrace.models.model_specs import ModelSpec, preflight
from negtrace.models.openclip import load, tokenizer_of
from negtrace.models.preprocessing import preprocessing
from negtrace.models.weights_download import fetch_weights
from negtrace.study.control_entries import with_controls
from negtrace.study.model_sources import is_path, model_files, seeds

CLIPS = {"vocab_size": 49408}
PIXELS = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "resize_mode": "squash"}


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> str:
    return architecture(tmp_path_factory.mktemp("sources"), "tiny-source", text_cfg=CLIPS)


@pytest.fixture(scope="module")
def model(config):
    return perturbed(load(ModelSpec(config)).model)


def folder_with(path: Path, model, preprocess=PIXELS, **changes) -> Path:
    """A folder in open_clip's layout."""
    path.mkdir(parents=True)
    content = {"model_cfg": {**TINY, "text_cfg": TINY["text_cfg"] | CLIPS} | changes}
    content |= {"preprocess_cfg": preprocess} if preprocess else {}
    (path / "open_clip_config.json").write_text(json.dumps(content))
    state = {name: weight.contiguous() for name, weight in model.state_dict().items()}
    save_file(state, path / "open_clip_model.safetensors")
    return path


def normalisation(loaded) -> list:
    return [t.mean for t in loaded.preprocess.transforms if hasattr(t, "mean")]


def test_a_folder_brings_weights_and_pixels(model, tmp_path):
    folder = folder_with(tmp_path / "mine", model)
    spec = ModelSpec(f"local-dir:{folder}")
    assert preflight(spec) == spec.architecture
    found = load(spec)
    assert same(found.model, model)
    assert normalisation(found) == [(0.5, 0.5, 0.5)]
    assert found.identity["preprocess"]["resize_mode"] == "squash"
    assert found.identity["preprocess_from"] == "the model's configuration"
    assert found.identity["activation_assumed"] is None
    random = load(ModelSpec(spec.architecture, "random", 3))
    assert random.identity["random"]
    assert not same(random.model, model)
    assert normalisation(random) == [(0.5, 0.5, 0.5)]
    named = load(ModelSpec(str(folder / "open_clip_config.json"), str(folder)))
    assert same(named.model, model)
    assert normalisation(named) == [(0.5, 0.5, 0.5)]


def hub_files(folder: Path, repository: str) -> dict[str, bytes]:
    return {
        f"/{repository}/resolve/main/{file.name}": file.read_bytes() for file in folder.iterdir()
    }


def test_a_model_of_the_hub_from_the_mirror(model, tmp_path):
    place = tmp_path / "mirror/huggingface.co/owner/tiny/resolve/main"
    folder_with(place, model)
    spec = ModelSpec("hf-hub:owner/tiny")
    assert preflight(spec) == "hf-hub:owner/tiny"
    found = fetch_weights(spec, tmp_path / "model", Downloads(tmp_path / "mirror", offline=True))
    assert found == fetch_weights(spec, tmp_path / "model", Downloads(offline=True))
    assert set(found.urls.values()) == {
        f"https://huggingface.co/owner/tiny/resolve/main/{name}"
        for name in ("open_clip_config.json", "open_clip_model.safetensors")
    }
    loaded = load(spec, found.checkpoint, found.tokenizer)
    assert same(loaded.model, model)
    assert normalisation(loaded) == [(0.5, 0.5, 0.5)]
    tokens = tokenizer_of(spec.architecture, found.tokenizer).encode("There are no dogs.")
    assert tokens == tokenizer_of("ViT-B-32").encode("There are no dogs.")
    random = ModelSpec("hf-hub:owner/tiny", "random")
    drawn = fetch_weights(random, tmp_path / "drawn", Downloads(tmp_path / "mirror", offline=True))
    assert drawn.checkpoint is None
    assert load(random, None, drawn.tokenizer).identity["random"]


def test_a_model_of_the_hub_over_http(model, tmp_path):
    folder = folder_with(tmp_path / "published", model)
    files = hub_files(folder, "owner/tiny")
    names = [{"rfilename": file.name} for file in folder.iterdir()]
    listing = json.dumps({"id": "owner/tiny", "sha": "c" * 40, "siblings": names}).encode()
    files |= {f"/owner/tiny/resolve/{'c' * 40}/{f.name}": f.read_bytes() for f in folder.iterdir()}
    tree = [
        {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "0" * 40}
        for f in folder.iterdir()
    ]
    files |= {
        "/api/models/owner/tiny/revision/main": listing,
        f"/api/models/owner/tiny/tree/{'c' * 40}": json.dumps(tree).encode(),
        f"/api/models/owner/tiny/tree/{'c' * 40}?recursive=true&expand=false": json.dumps(
            tree
        ).encode(),
    }
    script = (
        "import sys; from pathlib import Path; from negtrace.fetching.downloads import Downloads;"
        "from negtrace.models.model_specs import ModelSpec;"
        "from negtrace.models.weights_download import fetch_weights;"
        "w = fetch_weights(ModelSpec('hf-hub:owner/tiny'), Path(sys.argv[1]), Downloads());"
        "print(w.checkpoint, w.tokenizer)"
    )
    with serve(files) as server:
        printed = printed_with_hub(server, script, tmp_path / "model", cache=tmp_path / "cache")
    checkpoint, tokenizer = printed.split()
    assert same(load(ModelSpec("hf-hub:owner/tiny"), checkpoint, tokenizer).model, model)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (ModelSpec("hf-hub:tiny"), "write it as hf-hub:owner/name"),
        (ModelSpec("hf-hub:../x"), "write it as hf-hub:owner/name"),
        (ModelSpec("hf-hub:owner/tiny", "openai"), "neither a file or folder"),
        (ModelSpec("ViT-B-32", "laion2b_s34b_b79"), "did you mean 'laion2b_s34b_b79k'"),
        (ModelSpec("hf-hub"), "knows no architecture 'hf-hub'"),
        (ModelSpec(""), "knows no architecture"),
    ],
)
def test_wrong_names_are_told_before_anything_is_loaded(spec, reason):
    with pytest.raises(InputError, match=reason):
        preflight(spec)


def test_a_model_that_the_hub_does_not_have_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"owner/tiny cannot be had: offline"):
        fetch_weights(ModelSpec("hf-hub:owner/tiny"), tmp_path, Downloads(offline=True))


def test_an_own_configuration_named_siglip_has_its_own_tokenizer(tmp_path):
    own = architecture(tmp_path, "my-siglip-tiny", text_cfg=CLIPS)
    tokens = tokenizer_of(own).encode("There are no dogs.")
    assert tokens == tokenizer_of("ViT-B-32").encode("There are no dogs.")


def test_a_tokenizer_may_lie_in_a_folder(word_tokenizer, tmp_path):  # noqa: F811
    changes = {"vocab_size": 8, "tokenizer_kwargs": {"clean": "canonicalize"}, "context_length": 8}
    for name in (word_tokenizer, os.path.relpath(word_tokenizer, tmp_path)):
        own = architecture(tmp_path, "tiny-words", text_cfg={**changes, "hf_tokenizer_name": name})
        assert tokenizer_of(own).encode("There are no dogs.") == [3, 4, 5, 7, 1]
        found = fetch_weights(ModelSpec(own), tmp_path / "model", Downloads(offline=True))
        assert (found.tokenizer, found.urls) == (None, {})
        assert load(ModelSpec(own)).tokenizer.pad_id == 1
    own = architecture(tmp_path, "tiny-gone", text_cfg={**changes, "hf_tokenizer_name": "/gone/x"})
    with pytest.raises(InputError, match="cannot load its tokenizer") as caught:
        tokenizer_of(own)
    assert "\n" not in str(caught.value)


def test_a_vocabulary_that_is_too_small_is_refused(tmp_path):
    own = architecture(tmp_path, "tiny-thousand", text_cfg={"vocab_size": 1000})
    with pytest.raises(InputError, match=r"vocab_size is 1000, .*hf_tokenizer_name"):
        preflight(ModelSpec(own))


def test_configurations_that_open_clip_cannot_build_are_one_line(tmp_path):
    for changes in ({"text_cfg": {**CLIPS, "heads": 5}}, {"text_cfg": CLIPS, "embed_dim": "x"}):
        own = architecture(tmp_path, "tiny-wrong", **changes)
        with pytest.raises(InputError, match="cannot build this model") as caught:
            load(ModelSpec(own))
        assert "\n" not in str(caught.value)


GELU_NAMES = ["negclip.pth", "CoNCLIP.pt", "longclip-B.pt", "ViT-B-32-quickgelu-ft.pt"]


@pytest.mark.parametrize("name", GELU_NAMES)
def test_known_families_are_quick_gelu_ones(name, config, model, tmp_path):
    torch.save(model.state_dict(), tmp_path / name)
    with pytest.raises(InputError, match=r"QuickGELU, says the name .*quick_gelu: true"):
        load(ModelSpec(config, str(tmp_path / name)))
    found = load(ModelSpec(config, str(tmp_path / name), quick_gelu=False))
    assert same(found.model, model)
    assert found.identity["activation"] == "gelu"


@pytest.mark.parametrize(
    "beside",
    [
        {"args": Namespace(pretrained="openai", model="ViT-B-32")},
        {"name": "2024-model_ViT-B-32-quickgelu-lr_1e-06"},
        {"hyper_parameters": {"pretrained": "openai"}},
    ],
    ids=str,
)
def test_what_training_began_from_says_the_activation(beside, config, model, tmp_path):
    torch.save({"state_dict": model.state_dict(), **beside}, tmp_path / "epoch_5.pt")
    with pytest.raises(InputError, match=r"QuickGELU, says .*stored in the file"):
        load(ModelSpec(config, str(tmp_path / "epoch_5.pt")))


def test_a_program_says_its_activation_and_no_entry_overrules_it(model, config, tmp_path):
    quick = architecture(tmp_path, "tiny-quick", text_cfg=CLIPS, quick_gelu=True)
    trained = perturbed(load(ModelSpec(quick)).model)
    scripted, module = tmp_path / "scripted.pt", tmp_path / "module.pt"
    torch.jit.script(trained).save(scripted)
    torch.save(trained, module)
    for path, by in ((scripted, "the program in the file"), (module, "class QuickGELU")):
        for stated in (None, False):
            with pytest.raises(InputError, match=f"QuickGELU, says .*{by}.*quick_gelu: true"):
                load(ModelSpec(config, str(path), quick_gelu=stated))
        assert same(load(ModelSpec(quick, str(path))).model, trained)
        assert same(load(ModelSpec(config, str(path), quick_gelu=True)).model, trained)
    torch.jit.script(model).save(scripted)
    with pytest.raises(InputError, match="trained with GELU, says the program"):
        load(ModelSpec(quick, str(scripted)))


def test_what_is_assumed_is_said(model, tmp_path, caplog):
    silent = architecture(tmp_path, "tiny-silent", text_cfg=CLIPS, quick_gelu=None)
    torch.save(model.state_dict(), tmp_path / "epoch_5.pt")
    found = load(ModelSpec(silent, str(tmp_path / "epoch_5.pt")))
    assert found.identity["activation_assumed"].startswith("GELU, as the architecture tiny-silent")
    assert "assumed GELU" in caplog.text
    stated = load(ModelSpec(silent, str(tmp_path / "epoch_5.pt"), quick_gelu=False))
    assert stated.identity["activation_assumed"] is None


@pytest.mark.parametrize(
    ("name", "assumed"),
    [("ViT-B-32", True), ("ViT-B-32-quickgelu", False), ("ViT-B-16-SigLIP", False)],
)
def test_architectures_with_a_twin_leave_the_activation_open(name, assumed):
    found = check_activation(read_configuration(name), None, None, "x.pt")
    assert (found is not None) == assumed


def test_pixels_of_a_bare_file_are_the_architectures_or_the_entrys(config, model, tmp_path):
    siglip = preprocessing(read_configuration("ViT-B-16-SigLIP"), {}, None, None)
    assert siglip.settings["mean"] == (0.5, 0.5, 0.5)
    assert siglip.settings["resize_mode"] == "squash"
    assert siglip.source == "the architecture's published weights"
    clip = preprocessing(read_configuration("ViT-L-14"), {}, None, None)  # its tags disagree
    assert clip.source == "OpenAI's CLIP (assumed)"
    assert clip.settings["mean"] == open_clip.OPENAI_DATASET_MEAN
    torch.save(model.state_dict(), tmp_path / "x.pt")
    stated = {"mean": [0.1, 0.2, 0.3], "interpolation": "bilinear"}
    found = load(ModelSpec(config, str(tmp_path / "x.pt"), preprocess=stated))
    assert normalisation(found) == [(0.1, 0.2, 0.3)]
    assert found.identity["preprocess"]["interpolation"] == "bilinear"
    assert found.identity["preprocess_from"].startswith("the model's entry (mean, interpolation)")
    for wrong, reason in (({"means": [1]}, "unknown key 'means'"), ({"std": [0, 1, 1]}, "std is")):
        with pytest.raises(InputError, match=reason):
            preflight(ModelSpec(config, "random", preprocess=wrong))


def test_a_configuration_beside_a_file_gives_its_pixels(config, model, tmp_path):
    folder = folder_with(tmp_path / "mine", model)
    found = load(ModelSpec(config, str(folder / "open_clip_model.safetensors")))
    assert normalisation(found) == [(0.5, 0.5, 0.5)]
    other = folder_with(tmp_path / "other", model, embed_dim=99)
    found = load(ModelSpec(config, str(other / "open_clip_model.safetensors")))
    assert normalisation(found) == [open_clip.OPENAI_DATASET_MEAN]


def test_local_files_of_an_entry(tmp_path, config, model):
    folder = folder_with(tmp_path / "mine", model)
    (folder / ".DS_Store").write_text("x")
    files = [str(folder / n) for n in ("open_clip_config.json", "open_clip_model.safetensors")]
    assert model_files({"architecture": f"local-dir:{folder}"}) == files
    assert model_files({"architecture": "ViT-B-32", "weights": str(folder)}) == files
    assert model_files({"architecture": config, "weights": "random"}) == [config]
    assert model_files({"architecture": "hf-hub:owner/name"}) == []
    assert not is_path("hf-hub:owner/name.json")


def test_the_random_control_keeps_preprocessing_and_activation():
    entry = {"architecture": "local-dir:/x", "preprocess": PIXELS, "quick_gelu": True}
    study = {"controls": ["random"], "datasets": [], "models": ["a"]}
    config = {"study": study, "statistics": {"seed": 3}, "datasets": {}, "models": {"a": entry}}
    made = with_controls(config)["models"]["a-random"]
    assert made == {**entry, "weights": "random", "seed": 3}


def test_models_that_differ_in_their_seed_alone_are_told():
    entry = {"architecture": "a.json", "weights": "random"}
    models = {
        "first": entry,
        "second": entry | {"seed": 3},
        "other": entry | {"architecture": "b.json", "seed": 4},
        "trained": entry | {"weights": "c.pt"},
    }
    assert seeds(models, "second") == {"first": 0, "second": 3}
    assert seeds(models, "other") == {"other": 4}
    assert seeds(models, "trained") == {"trained": 0}
