"""Models of transformers in `trace`: their own features, left as they were, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hugging_face_clips import clip, clip_tokenizer, siglip, transformers, word_tokenizer
from PIL import Image
from torch import nn

from negtrace.errors import InputError
from negtrace.trace import trace

SENTENCES = ("There are no dogs.", "There are some dogs.")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return clip_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def own_scores(model, inputs, image) -> list[float]:
    """Logit scale x cosine, by the model's own features of what its tokenizer gives."""
    found = model.get_text_features(**inputs)
    text = F.normalize(getattr(found, "pooler_output", found), dim=-1)
    return (model.logit_scale.exp() * text @ F.normalize(image, dim=-1)).tolist()


def both(cells) -> list[float]:
    return [cells.attrs["s_negated"], cells.attrs["s_affirmative"]]


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu", "gelu_pytorch_tanh"])
@pytest.mark.parametrize("eos", [2, 49407])
@torch.no_grad()
def test_a_clip_model_is_traced_exactly(tokenizer, activation, eos):
    model = clip(activation, eos_token_id=eos).double()
    image = torch.randn(24, dtype=torch.float64)
    inputs = tokenizer(list(SENTENCES), padding=True, return_tensors="pt")
    cells = trace(model, tokenizer, *SENTENCES, image)
    assert both(cells) == pytest.approx(own_scores(model, inputs, image), abs=1e-7)
    grid = cells.pivot(index="position", columns="layer", values="restoration")
    assert grid.loc[3, 0] == grid.loc[6, 3] == 1
    assert grid.loc[3:, 1:2].abs().to_numpy().min() > 1e-9


@torch.no_grad()
def test_a_cell_is_what_a_hook_on_the_model_gives(tokenizer):
    model, image = clip().double(), torch.randn(24, dtype=torch.float64)
    ids = tokenizer(list(SENTENCES), return_tensors="pt").input_ids
    cells = trace(model, tokenizer, *SENTENCES, image, "mlp_out")
    module = model.text_model.encoder.layers[1].mlp
    kept = {}
    handle = module.register_forward_hook(lambda m, args, out: kept.update(out=out.clone()))
    model.get_text_features(ids[:1])
    handle.remove()

    def patch(module, args, output):
        output[0, 4] = kept["out"][0, 4]
        return output

    handle = module.register_forward_hook(patch)
    expected = own_scores(model, {"input_ids": ids[1:]}, image)[0]
    handle.remove()
    row = cells[(cells["layer"] == 2) & (cells["position"] == 4)].iloc[0]
    assert row["s_patched"] == pytest.approx(expected, abs=1e-9)
    assert abs(row["restoration"]) > 1e-6


@torch.no_grad()
def test_a_siglip_model_is_traced_exactly():
    words = ["<pad>", "</s>", "<unk>", "there", "are", "no", "some", "dogs", "."]
    cut = word_tokenizer(words, "</s>", "</s>", "$A </s>")
    model, image = siglip().double(), torch.randn(32, dtype=torch.float64)
    inputs = cut(list(SENTENCES), padding="max_length", max_length=64, return_tensors="pt")
    cells = trace(model, cut, *SENTENCES, image)
    ids = {"input_ids": inputs.input_ids}
    assert both(cells) == pytest.approx(own_scores(model, ids, image), abs=1e-7)
    grid = cells.pivot(index="role", columns="layer", values="restoration")
    assert grid.loc["determiner", 0] == grid.loc["pooled", 3] == 1


def test_a_processor_makes_pixels_of_pictures(tokenizer):
    reader = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32)
    processor = transformers.CLIPProcessor(reader, tokenizer)
    picture = Image.fromarray(
        np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    )
    model = clip()
    pixels = processor(images=picture, return_tensors="pt")["pixel_values"]
    first, *others = (
        trace(model, *arguments, **options)
        for arguments, options in (
            ((tokenizer, *SENTENCES, pixels), {}),
            ((processor, *SENTENCES, picture), {}),
            ((tokenizer, *SENTENCES, picture), {"preprocess": reader}),
        )
    )
    for other in others:
        assert other["s_patched"].to_list() == pytest.approx(first["s_patched"].to_list(), abs=1e-5)
    with pytest.raises(InputError, match="PIL picture"):
        trace(model, tokenizer, *SENTENCES, picture)


def test_the_model_is_left_as_it_was(tokenizer):
    model = clip().train()
    model.text_model(
        torch.tensor([[5, 49407]]), output_hidden_states=True
    )  # leaves hooks that read
    hooks = [len(module._forward_hooks) for module in model.modules()]
    trace(model, tokenizer, *SENTENCES, torch.randn(24))
    assert sum(hooks)
    assert hooks == [len(module._forward_hooks) for module in model.modules()]
    assert all(module.training for module in model.modules())


def hooked(model):
    model.text_model.encoder.layers[0].mlp.register_forward_hook(lambda m, args, out: 2 * out)


def with_adapter(model):
    class Linear(nn.Linear):
        """As adapters of peft wrap a layer."""

    Linear.__module__ = "peft.tuners.lora.layer"
    model.text_model.encoder.layers[1].self_attn.q_proj = Linear(32, 32)


def quantised(model):
    class Linear8bitLt(nn.Linear):
        """As bitsandbytes has it."""

    Linear8bitLt.__module__ = "bitsandbytes.nn.modules"
    model.text_model.encoder.layers[1].mlp.fc1 = Linear8bitLt(32, 96)


def offloaded(model):
    model.text_model.forward = lambda *args, **kwargs: None


def half_integer(model):
    linear = model.text_model.encoder.layers[0].mlp.fc1
    linear.weight = nn.Parameter(linear.weight.to(torch.int8), requires_grad=False)


def without_weights(model):
    model.text_projection.to("meta")


def other_scale(model):
    model.text_model.encoder.layers[0].self_attn.scale *= 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (hooked, r"text_model\.encoder\.layers\.0\.mlp has a forward hook"),
        (with_adapter, r"layers\.1\.self_attn\.q_proj .* merge_and_unload"),
        (quantised, r"layers\.1\.mlp\.fc1 .* load the model without quantisation"),
        (offloaded, "text_model has a forward of its own"),
        (half_integer, "int8; load the model unquantised"),
        (without_weights, "device meta"),
        (other_scale, "departs from the model's own encode_text"),
    ],
)
def test_what_is_off_is_refused_by_name(tokenizer, change, reason):
    model = clip()
    change(model)
    with pytest.raises(InputError, match=reason) as error:
        trace(model, tokenizer, *SENTENCES, torch.randn(24))
    assert "\n" not in str(error.value)


def test_other_models_and_tokenizers_of_transformers_are_refused(tokenizer):
    text = transformers.CLIPTextModel(clip().config.text_config)
    with pytest.raises(InputError, match="give transformers' CLIPModel or SiglipModel"):
        trace(text, tokenizer, *SENTENCES, torch.randn(24))
    with pytest.raises(InputError, match="give the model's processor or tokenizer"):
        trace(clip(), str.split, *SENTENCES, torch.randn(24))
    with pytest.raises(InputError, match=r"layers\.0\.mlp\.activation_fn .*ReLU"):
        trace(clip("relu"), tokenizer, *SENTENCES, torch.randn(24))
