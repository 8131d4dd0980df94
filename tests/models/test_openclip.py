"""Loading models: what is accepted, what is refused, and with which words."""

from __future__ import annotations

import json

import numpy as np
import open_clip
import pytest
import torch
from conftest import configuration
from PIL import Image

from negtrace.data.image_embeddings import encode_images
from negtrace.errors import InputError
from negtrace.models.configurations import read_configuration
from negtrace.models.model_specs import ModelSpec, preflight
from negtrace.models.open_clip_tokenizers import as_tokenizer
from negtrace.models.openclip import load, tokenizer_of
from negtrace.models.refusals import refusal
from negtrace.trace import trace


@pytest.fixture
def architecture(tmp_path):
    path = tmp_path / "tiny_for_loading.json"
    config = configuration("causal_gelu", tmp_path)
    config["text_cfg"]["vocab_size"] = 49408
    path.write_text(json.dumps(config))
    return str(path)


def test_unknown_architecture_suggests_a_name():
    with pytest.raises(InputError, match=r"'VitB32'|did you mean"):
        preflight(ModelSpec("ViT-B-33"))
    with pytest.raises(InputError, match="did you mean 'ViT-B-32"):
        preflight(ModelSpec("ViT-B-3"))


def test_configuration_file_must_exist_and_be_one(tmp_path):
    with pytest.raises(InputError, match=r"missing\.json"):
        read_configuration(str(tmp_path / "missing.json"))
    broken = tmp_path / "broken.json"
    broken.write_text('{"embed_dim": 3')
    with pytest.raises(InputError, match=r"broken\.json: no readable model configuration"):
        read_configuration(str(broken))
    broken.write_text('{"embed_dim": 3}')
    with pytest.raises(InputError, match="has no vision_cfg, text_cfg"):
        read_configuration(str(broken))


def test_file_may_not_shadow_another_architecture(tmp_path):
    path = tmp_path / "ViT-B-32.json"
    path.write_text(json.dumps(configuration("causal_gelu", tmp_path)))
    with pytest.raises(InputError, match="rename the file"):
        read_configuration(str(path))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mt5-base-ViT-B-32", "Hugging Face.*relative bias"),
        ("nllb-clip-base", "Hugging Face.*sinusoidal"),
    ],
)
def test_untraceable_towers_are_refused_with_the_reason(name, reason):
    with pytest.raises(InputError, match=reason):
        preflight(ModelSpec(name))
    assert preflight(ModelSpec("ViT-B-32")) == "ViT-B-32"


@pytest.mark.parametrize(
    "name", ["ViT-L-14-quickgelu", "ViT-H-14", "RN50", "ViT-B-16-SigLIP", "coca_ViT-B-32"]
)
def test_native_towers_are_accepted(name):
    assert refusal(open_clip.get_model_config(name)) is None


def test_altered_attention_is_refused(tmp_path):
    config = configuration("causal_gelu", tmp_path)
    assert refusal(config) is None
    config["text_cfg"]["qk_norm"] = True
    assert "qk_norm" in refusal(config)


def test_unknown_weights_name_the_known_ones():
    with pytest.raises(
        InputError, match=r"'opnai' is neither a file or folder .*did you mean 'openai'"
    ):
        preflight(ModelSpec("ViT-B-32-quickgelu", "opnai"))


def test_activation_mismatch_is_refused():
    with pytest.raises(InputError, match="use the architecture ViT-B-32-quickgelu"):
        preflight(ModelSpec("ViT-B-32", "openai"))
    assert preflight(ModelSpec("ViT-B-32-quickgelu", "openai")) == "ViT-B-32-quickgelu"


def test_checkpoint_of_another_shape_is_refused(architecture, tmp_path):
    checkpoint = tmp_path / "other.pt"
    torch.save({"logit_scale": torch.tensor(1.0)}, checkpoint)
    with pytest.raises(InputError, match=r"other\.pt: .*no text tower of a CLIP.*logit_scale"):
        load(ModelSpec(architecture, str(checkpoint)))


def test_seeded_random_weights_and_checkpoint_agree(architecture, tmp_path):
    first = load(ModelSpec(architecture, seed=1))
    assert (
        first.identity["weights_sha256"] != load(ModelSpec(architecture)).identity["weights_sha256"]
    )
    checkpoint = tmp_path / "weights.pt"
    torch.save(first.model.state_dict(), checkpoint)
    again = load(ModelSpec(architecture, str(checkpoint)))
    assert again.identity["weights_sha256"] == first.identity["weights_sha256"]
    assert again.identity["weights"] == "weights.pt"
    assert (first.identity["random"], again.identity["random"]) == (True, False)


def test_tokenizer_adds_start_and_end():
    tokenizer = tokenizer_of("ViT-B-32")
    tokens = tokenizer.encode("There are no dogs.")
    padded = open_clip.get_tokenizer("ViT-B-32")(["There are no dogs."])[0].tolist()
    assert tokens == padded[: len(tokens)]
    assert set(padded[len(tokens) :]) == {0}
    assert (tokenizer.start_tokens, tokenizer.pad_id) == (1, 0)
    assert [tokenizer.decode(t) for t in tokens[1:-1]] == ["there", "are", "no", "dogs", "."]


def test_images_are_encoded_as_open_clip_does(architecture, tmp_path):
    loaded = load(ModelSpec(architecture))
    rng = np.random.default_rng(0)
    files = []
    for i in range(5):
        files.append(tmp_path / f"{i}.png")
        Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(files[-1])
    found = encode_images(loaded, files, batch_size=2)
    pixels = torch.stack([loaded.preprocess(Image.open(f)) for f in files])
    expected = loaded.model.encode_image(pixels, normalize=True).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 1e-5


@pytest.fixture
def word_tokenizer(tmp_path):
    """Folder of a Hugging Face tokenizer of SigLIP's kind: no start token, padded with the end."""
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    words = ["<pad>", "</s>", "<unk>", "there", "are", "no", "some", "dogs"]
    inner = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>")
    )
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="</s>", pad_token="</s>", unk_token="<unk>"
    )
    made.save_pretrained(tmp_path / "words")
    return str(tmp_path / "words")


def test_hugging_face_tokenizers_cut_as_open_clip_does(word_tokenizer):
    made = open_clip.tokenizer.HFTokenizer(word_tokenizer, context_length=8, clean="canonicalize")
    tokenizer = as_tokenizer(made)
    assert (tokenizer.start_tokens, tokenizer.pad_id) == (0, 1)
    tokens = tokenizer.encode("There are no dogs.")
    assert tokens == [3, 4, 5, 7, 1]
    assert made(["There are no dogs."])[0].tolist() == [*tokens, 1, 1, 1]
    assert [tokenizer.decode(t) for t in tokens] == ["there", "are", "no", "dogs", "</s>"]


def test_a_bidirectional_model_with_its_own_tokenizer_is_traced(word_tokenizer):
    """SigLIP's structure, end to end: padding and the pooled position are places of their own."""
    torch.manual_seed(0)
    vision = {"image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "head_width": 16}
    text = {
        "context_length": 8,
        "vocab_size": 8,
        "width": 24,
        "heads": 3,
        "layers": 2,
        "no_causal_mask": True,
        "pool_type": "last",
        "proj_bias": True,
        "norm_kwargs": {"eps": 1e-6},
    }
    model = open_clip.CustomTextCLIP(12, vision, text).double().eval().requires_grad_(False)
    tokenizer = open_clip.tokenizer.HFTokenizer(
        word_tokenizer, context_length=8, clean="canonicalize"
    )
    sentences = ("There are no dogs.", "There are some dogs.")
    cells = trace(model, tokenizer, *sentences, torch.randn(12))
    grid = cells.pivot(index="role", columns="layer", values="restoration")
    assert grid.loc["pooled", 2] == 1
    assert grid.loc["determiner", 0] == 1
    assert (grid.drop(index="pooled")[2] == 0).all()
    assert grid[1].abs().min() > 1e-9
    scores = [
        torch.nn.functional.normalize(model.encode_text(tokenizer([s])), dim=-1) for s in sentences
    ]
    image = torch.nn.functional.normalize(torch.randn(12).double(), dim=-1)
    again = trace(model, tokenizer, *sentences, image)
    expected = [float(model.logit_scale.exp() * (s @ image)) for s in scores]
    assert [again.attrs["s_negated"], again.attrs["s_affirmative"]] == pytest.approx(expected)
