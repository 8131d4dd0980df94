"""One pair, one image: the notebook's way in."""

from __future__ import annotations

import open_clip
import pytest
import torch
import torch.nn.functional as F

from negtrace.errors import InputError
from negtrace.hooks import patched_embedding
from negtrace.interventions import Intervention
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
    with pytest.raises(
        InputError, match="unknown direction 'up'; it must be one of negate, affirm"
    ):
        trace(*clip[:2], NEGATED, AFFIRMATIVE, clip[2], direction="up")
