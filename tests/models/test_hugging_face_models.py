"""Hugging Face's CLIP and SigLIP beside open_clip's: the same embeddings from the same weights."""

from __future__ import annotations

import json

import open_clip
import pytest
import torch
from checkpoint_cases import filled
from hugging_face_clips import clip, clip_tokenizer, siglip

from negtrace.errors import InputError
from negtrace.models.configurations import of_folder, read_configuration
from negtrace.models.hugging_face_configurations import (
    model_configuration,
    preprocess_configuration,
)
from negtrace.models.model_specs import ModelSpec, preflight
from negtrace.models.openclip import load


def twin(folder, activation="quick_gelu", shard=None):
    """A random Hugging Face CLIP and the folder that it was saved in."""
    model = clip(activation)
    model.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    return model


def both(theirs, ours) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """(Hugging Face's, open_clip's) embeddings of two sentences and a picture."""
    tokens = open_clip.SimpleTokenizer()(["There are no dogs.", "a picture of a cat"])
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    text, image = theirs.get_text_features(tokens), theirs.get_image_features(picture)
    found = [getattr(out, "pooler_output", out) for out in (text, image)]
    return list(zip(found, (ours.encode_text(tokens), ours.encode_image(picture)), strict=True))


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu", "gelu_pytorch_tanh"])
@torch.inference_mode()
def test_a_folder_of_hugging_face_gives_its_embeddings(activation, tmp_path):
    theirs = twin(tmp_path / "clip", activation)
    ours = load(ModelSpec(f"local-dir:{tmp_path / 'clip'}"))
    for expected, found in both(theirs, ours.model):
        assert expected.abs().max() > 1e-2
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert ours.identity["activation_assumed"] is None
    assert ours.identity["activation"] == ("quick_gelu" if activation == "quick_gelu" else "gelu")
    assert ours.identity["weights"] == "model.safetensors"


def test_a_folder_with_clips_own_tokenizer_is_read_by_open_clips(tmp_path):
    """Its start and end token have other names there, and it pads with a second end token."""
    twin(tmp_path / "clip")
    clip_tokenizer(tmp_path / "clip")
    assert of_folder(tmp_path / "clip", "x").tokenizer is None
    vocabulary = json.loads((tmp_path / "clip" / "vocab.json").read_text())
    vocabulary["dog</w>"], vocabulary["cat</w>"] = vocabulary["cat</w>"], vocabulary["dog</w>"]
    (tmp_path / "clip" / "vocab.json").write_text(json.dumps(vocabulary))
    assert of_folder(tmp_path / "clip", "x").tokenizer == str(tmp_path / "clip")


@torch.inference_mode()
def test_files_and_shards_of_hugging_face(tmp_path):
    theirs = twin(tmp_path / "clip", shard="2MB")
    folder = tmp_path / "clip"
    index = folder / "model.safetensors.index.json"
    assert index.is_file()
    config = tmp_path / "tiny-twin.json"
    config.write_text(json.dumps(of_folder(folder, "x").model))
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    for weights in (folder, index, tmp_path / "pytorch_model.bin"):
        ours = load(ModelSpec(str(config), str(weights)))
        for expected, found in both(theirs, ours.model):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    prefixed = {f"model.clip.{name}": weight for name, weight in theirs.state_dict().items()}
    torch.save({"state_dict": prefixed}, tmp_path / "trained.ckpt")
    filled(ours.model, tmp_path / "trained.ckpt")


@torch.inference_mode()
def test_the_activation_beside_a_file_decides(tmp_path):
    twin(tmp_path / "clip")
    model = of_folder(tmp_path / "clip", "x").model | {"quick_gelu": False}
    config = tmp_path / "tiny-gelu.json"
    config.write_text(json.dumps(model))
    spec = ModelSpec(str(config), str(tmp_path / "clip" / "model.safetensors"))
    with pytest.raises(InputError, match=r"trained with QuickGELU, says config\.json beside"):
        load(spec)


@torch.inference_mode()
def test_siglip_is_mapped_exactly(tmp_path):
    import timm

    theirs = siglip()
    torch.save(theirs.state_dict(), tmp_path / "siglip.bin")
    vision = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 8}
    text = {
        **{"context_length": 64, "vocab_size": 60, "width": 32, "heads": 4, "layers": 3},
        **{"no_causal_mask": True, "pool_type": "last", "proj_bias": True},
        **{"norm_kwargs": {"eps": 1e-6}, "act_kwargs": {"approximate": "tanh"}},
    }
    ours = open_clip.CustomTextCLIP(32, vision, text, init_logit_bias=-10)
    trunk = timm.create_model(
        "vit_base_patch16_siglip_224",
        **{"embed_dim": 32, "depth": 2, "num_heads": 4, "img_size": 32, "num_classes": 0},
        act_layer="gelu_tanh",
    )
    for module in trunk.modules():
        if isinstance(module, torch.nn.GELU):
            module.approximate = "tanh"  # the pooling head's, too
    ours.visual = torch.nn.Module()
    ours.visual.trunk = trunk
    filled(ours.eval(), tmp_path / "siglip.bin")
    tokens = torch.randint(0, 60, (2, 64))
    picture = torch.rand(2, 3, 32, 32)
    texts = theirs.get_text_features(tokens)
    images = theirs.get_image_features(picture)
    for expected, found in (
        (getattr(texts, "pooler_output", texts), ours.encode_text(tokens)),
        (getattr(images, "pooler_output", images), trunk(picture)),
    ):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert torch.allclose(ours.logit_bias, theirs.logit_bias)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "siglip", "vision_config": {}}, "give an open_clip architecture"),
        ({"model_type": "bert"}, "of type 'bert'"),
        ({"model_type": "clip_text_model"}, "both towers"),
        ({"model_type": "clip"}, "both towers"),
        (
            {"model_type": "clip", "vision_config": {"hidden_act": "relu"}},
            "hidden_act 'relu' is not supported",
        ),
        (
            {"model_type": "clip", "vision_config": {"hidden_act": "gelu"}},
            "towers of different activations",
        ),
    ],
)
def test_what_open_clip_cannot_be_is_refused(config, reason):
    with pytest.raises(InputError, match=reason):
        model_configuration(config, "config.json")


def test_the_first_clips_short_configuration_means_openais():
    model = model_configuration({"model_type": "clip", "vision_config": {}}, "config.json")
    expected = open_clip.get_model_config("ViT-B-32-quickgelu")
    assert model["quick_gelu"]
    for tower in ("text_cfg", "vision_cfg"):
        assert expected[tower].items() <= model[tower].items()


def test_pixels_are_as_the_preprocessor_says(tmp_path):
    found = preprocess_configuration(
        {
            **{"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2},
            **{"do_center_crop": False, "size": {"height": 32, "width": 32}},
        },
        "x",
    )
    assert found == {
        **{"mean": (0.5,) * 3, "std": (0.5,) * 3},
        **{"interpolation": "bilinear", "resize_mode": "squash"},
    }
    with pytest.raises(InputError, match="resample 0"):
        preprocess_configuration({"resample": 0}, "x")


def test_folders_that_are_no_models_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"the folder has no open_clip_config\.json"):
        read_configuration(f"local-dir:{tmp_path}")
    with pytest.raises(InputError, match="there is no such folder"):
        read_configuration(f"local-dir:{tmp_path / 'gone'}")
    (tmp_path / "config.json").write_text('{"model_type": "clip", "vision_config": 3}')
    with pytest.raises(InputError, match="both towers"):
        preflight(ModelSpec(f"local-dir:{tmp_path}"))
