"""One pair, one image: the notebook's way in."""

from __future__ import annotations

import open_clip
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from negtrace.errors import InputError
from negtrace.patching.interventions import Intervention
from negtrace.patching.slow_twin import patched_embedding
from negtrace.trace import trace

NEGATED, AFFIRMATIVE = "There are no dogs.", "There are some dogs."


@pytest.fixture(scope="module")
def clip():
    torch.manual_seed(0)
    vision = {"image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "head_width": 16}
    text = {"context_length": 77, "vocab_size": 49408, "width": 24, "heads": 3, "layers": 3}
    model = open_clip.CLIP(12, vision, text).double().eval().requires_grad_(False)
    return model, open_clip.get_tokenizer("ViT-B-32"), torch.randn(3, 16, 16)


def test_cells_are_those_of_the_twin(clip):
    model, tokenizer, pixels = clip
    cells = trace(model, tokenizer, NEGATED, AFFIRMATIVE, pixels)
    tokens = {s: tokenizer([s])[0, :7].tolist() for s in (NEGATED, AFFIRMATIVE)}
    image = F.normalize(model.encode_image(pixels[None].double()), dim=-1)[0]
    scale = float(model.logit_scale.exp())
    for row in cells.itertuples():
        twin = patched_embedding(
            model,
            tokens[AFFIRMATIVE],
            tokens[NEGATED],
            "resid",
            row.layer,
            [row.position],
            [row.position],
        )
        assert row.s_patched == pytest.approx(scale * float(twin @ image), abs=1e-6)
    assert set(cells["token"]) >= {"there", "are", "some", "dogs", "."}
    grid = cells.pivot(index="position", columns="layer", values="restoration")
    assert grid.loc[3, 0] == grid.loc[6, 3] == 1
    assert grid.loc[3:, 1:2].abs().to_numpy().min() > 1e-9
    assert cells.attrs["s_negated"] != cells.attrs["s_affirmative"]


def test_an_embedding_serves_as_well_as_pixels(clip):
    model, tokenizer, pixels = clip
    embedding = model.encode_image(pixels[None].double())[0]
    heads = Intervention("head", head_sets=(((1, 1), (2, 3)),))
    by_pixels, by_embedding = (
        trace(model, tokenizer, NEGATED, AFFIRMATIVE, image, heads, "affirm")
        for image in (pixels, embedding)
    )
    assert by_pixels.equals(by_embedding)
    assert by_pixels["head_set"].tolist() == [1]


def test_unknown_direction_is_refused(clip):
    with pytest.raises(InputError, match=r"unknown direction 'up' .*negate, affirm"):
        trace(*clip[:2], NEGATED, AFFIRMATIVE, clip[2], direction="up")


@pytest.fixture
def training():
    """A caller's model with BatchNorm and dropout, as open_clip creates it: in train mode."""
    torch.manual_seed(1)
    vision = {"image_size": 32, "layers": (1, 1, 1, 1), "width": 8, "head_width": 16}
    text = {"vocab_size": 49408, "width": 24, "heads": 3, "layers": 2}
    model = open_clip.CLIP(12, vision, text).train()
    model.visual.bn1.eval()  # a mode of its own
    return model


def state(model):
    """Everything of a caller's model that could change."""
    return (
        [(name, m.training, len(m._forward_hooks)) for name, m in model.named_modules()],
        [(name, p.requires_grad, p.dtype, p.device) for name, p in model.named_parameters()],
        {name: value.clone() for name, value in model.state_dict().items()},
    )


def test_the_caller_s_model_is_left_as_it_was(training):
    before, pixels = state(training), torch.randn(3, 32, 32)
    found = trace(training, open_clip.get_tokenizer("ViT-B-32"), NEGATED, AFFIRMATIVE, pixels)
    with pytest.raises(InputError, match="encode_image fails"):
        trace(training, open_clip.get_tokenizer("ViT-B-32"), NEGATED, AFFIRMATIVE, pixels[:, :9])
    after = state(training)
    assert before[:2] == after[:2]
    assert all(torch.equal(value, after[2][name]) for name, value in before[2].items())
    training.encode_text(torch.ones(1, 77, dtype=torch.long)).sum().backward()
    training.eval()
    expected = training(pixels[None], open_clip.get_tokenizer("ViT-B-32")([NEGATED]))
    score = float(expected[2] * (expected[0] @ expected[1].T))
    assert found.attrs["s_negated"] == pytest.approx(score, abs=1e-4)


def test_every_form_of_an_image_gives_the_same(clip):
    model, tokenizer, pixels = clip
    embedding = model.encode_image(pixels[None].double())
    picture = Image.new("RGB", (16, 16))
    forms = [
        pixels,
        pixels[None],
        embedding,
        embedding[0],
        embedding[0].numpy(),
        [pixels],
        picture,
    ]
    first, *others = (
        trace(model, tokenizer, NEGATED, AFFIRMATIVE, form, preprocess=lambda picture: pixels)
        for form in forms
    )
    for other in others:
        assert other["s_patched"].to_list() == pytest.approx(first["s_patched"].to_list())


def test_several_items_are_those_traced_one_by_one(clip):
    model, tokenizer, _ = clip
    images = torch.randn(3, 12)
    negated = [NEGATED, "There is no red star.", NEGATED]
    affirmative = [AFFIRMATIVE, "There is a red star.", AFFIRMATIVE]
    cells = trace(model, tokenizer, negated, affirmative, images, "head", progress=False)
    assert list(cells["item"].unique()) == [0, 1, 2]
    for i in range(3):
        alone = trace(model, tokenizer, negated[i], affirmative[i], images[i], "head")
        found = cells[cells["item"] == i].drop(columns="item").reset_index(drop=True)
        pd.testing.assert_frame_equal(found, alone, atol=1e-12)
        assert cells.attrs["s_negated"][i] == pytest.approx(alone.attrs["s_negated"])
    one_pair = trace(model, tokenizer, NEGATED, AFFIRMATIVE, images, "head", progress=False)
    assert one_pair.loc[one_pair["item"] == 2, "s_patched"].to_list() == pytest.approx(
        cells.loc[cells["item"] == 2, "s_patched"].to_list()
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"negated": None}, "negated is None"),
        ({"negated": " "}, "negated is ' '"),
        ({"affirmative": [AFFIRMATIVE, 3]}, r"affirmative\[1\] is 3"),
        ({"affirmative": []}, r"affirmative is \[\]"),
        ({"negated": [NEGATED] * 2, "affirmative": [AFFIRMATIVE] * 3}, "2 negated sentences for 3"),
        ({"negated": AFFIRMATIVE}, "the same tokens"),
        ({"negated": "no " * 99}, "101 tokens"),
        ({"image": None}, "of type NoneType"),
        ({"image": "a.png"}, "of type str"),
        ({"image": []}, "no image"),
        ({"image": torch.randn(13)}, r"\[13\]; use pixels"),
        ({"image": torch.randn(1, 11)}, r"\[11\]; use pixels"),
        ({"image": torch.randn(())}, r"\[\]; use pixels"),
        ({"image": torch.randn(3, 8, 16)}, "encode_image fails"),
        ({"image": torch.zeros(3, 16, 16, dtype=torch.uint8)}, "torch.uint8"),
        ({"image": torch.zeros(12)}, "embedding is zero"),
        ({"image": torch.full((12,), torch.nan)}, "not finite"),
        ({"image": torch.full((3, 16, 16), torch.inf)}, "not finite"),
        ({"image": Image.new("RGB", (16, 16))}, "preprocess="),
        ({"intervention": None}, "unknown site None"),
        ({"intervention": "haed"}, "did you mean 'head'"),
        ({"direction": ["negate"]}, "unknown direction"),
        ({"direction": "negat"}, "did you mean 'negate'"),
        ({"tokenizer": str.split}, "open_clip.get_tokenizer"),
        (
            {"intervention": Intervention("resid", positions=("edit", "EOT"))},
            "no token of the affirmative sentence of pair 0 has the role edit",
        ),
        ({"intervention": Intervention("head", head_sets=[[(1, 4)]])}, "no head 4 in block 1"),
        ({"intervention": Intervention("head", head_sets=[[(0, 1)]])}, "no head 1 in block 0"),
    ],
)
def test_arguments_that_cannot_be_traced_are_refused_in_one_line(clip, change, reason):
    arguments = {
        "model": clip[0],
        "tokenizer": clip[1],
        "negated": NEGATED,
        "affirmative": AFFIRMATIVE,
        "image": clip[2],
    }
    with pytest.raises(InputError, match=reason) as error:
        trace(**arguments | change)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"positions": ("determinr", "EOT")}, "did you mean 'determiner'"),
        ({"positions": ("nonsense",)}, "unknown role 'nonsense'"),
        ({"positions": ()}, "tuple of roles"),
        ({"positions": "EOT"}, "tuple of roles"),
        ({"positions": 3}, "tuple of roles"),
        ({"window": 1.5}, "window of 1.5"),
        ({"window": True}, "window of True"),
        ({"donor": "men"}, "did you mean 'mean'"),
        ({"head_sets": [(1, 2)]}, "nest it"),
        ({"head_sets": (1, 2)}, "nest it"),
        ({"head_sets": [[(1, 2, 3)]]}, "nest it"),
        ({"head_sets": [[("1", 2)]]}, "nest it"),
        ({"head_sets": []}, "at least one set"),
        ({"head_sets": [[]]}, "a set of heads is empty"),
        ({"head_sets": [[(1, 2), (1, 2)]]}, "names a head twice"),
        ({"head_sets": 5}, "at least one set"),
    ],
)
def test_interventions_that_are_not_defined_are_refused_in_one_line(options, reason):
    with pytest.raises(InputError, match=reason) as error:
        Intervention("head", **options)
    assert "\n" not in str(error.value)
