"""CLIPSeg on a small random model, against its parts called one by one."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tiny_clipseg import SIZE, save_tiny_clipseg, transformers

from negtrace.data.clipseg import clipseg_areas
from negtrace.data.subjects import NO_SUBJECT, SIZE_COLUMNS
from negtrace.errors import InputError


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_clipseg(tmp_path_factory.mktemp("clipseg"))


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(5):
        shape = (20 + 5 * number, 40, 3)
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def items() -> pd.DataFrame:
    """Subjects of different length; one sentence names none; an index that is no row number."""
    return pd.DataFrame(
        {
            "item_id": list("edcba"),
            "image_file": [f"{number}.png" for number in (4, 0, 1, 2, 3)],
            "affirmative": [
                "There are some dogs.",
                "There is a very large red car in the picture.",
                "You see people.",
                "There is a cat shown.",
                "There are some dogs.",
            ],
        },
        index=[7, 3, 9, 1, 5],
    )


def direct_map(model: Path, image: Path, phrase: str) -> np.ndarray:
    """The sigmoid map of one image and phrase, from the model's own parts, without padding."""
    segmenter = transformers.CLIPSegForImageSegmentation.from_pretrained(model).eval()
    tokenizer = transformers.CLIPTokenizer.from_pretrained(model)
    pixels = transformers.ViTImageProcessor.from_pretrained(model)(
        Image.open(image).convert("RGB"), return_tensors="pt"
    )["pixel_values"]
    with torch.inference_mode():
        text = segmenter.clip.get_text_features(**tokenizer(phrase, return_tensors="pt"))
        conditional = text if isinstance(text, torch.Tensor) else text.pooler_output
        vision = segmenter.clip.vision_model(pixels, output_hidden_states=True)
        # Hidden state 0 is the input of the first block.
        states = [vision.hidden_states[layer + 1] for layer in segmenter.extract_layers]
        logits = segmenter.decoder(states, conditional).logits
    return 1 / (1 + np.exp(-logits.double().numpy().squeeze()))


def test_areas_are_those_of_the_models_own_maps(items, images, model):
    table = clipseg_areas(items, images, model, batch_size=2)
    assert table.columns.tolist() == SIZE_COLUMNS
    assert table["item_id"].tolist() == list("edcba")
    subjects = ["dogs", "very large red car", None, "cat", "dogs"]
    assert [None if pd.isna(s) else s for s in table["subject"]] == subjects
    for row, image_file in zip(table.itertuples(), items["image_file"], strict=True):
        if row.item_id == "c":
            continue
        shown = direct_map(model, images / image_file, row.subject)
        assert shown.shape == (SIZE, SIZE)
        assert 0 < (shown > 0.25).mean() < 1
        assert row.area == pytest.approx(shown.mean(), abs=1e-6)
        assert row.area_above == pytest.approx((shown > 0.25).mean(), abs=2 / SIZE**2)
    assert table["area"].nunique() == 4


def test_a_sentence_without_a_subject_has_a_reason_instead_of_an_area(items, images, model):
    table = clipseg_areas(items, images, model).set_index("item_id")
    assert table["area"].isna().tolist() == [False, False, True, False, False]
    assert table["reason"].dropna().to_dict() == {"c": NO_SUBJECT}
    assert set(table["method"]) == {"clipseg"}


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batches_do_not_matter(items, images, model, batch_size):
    whole = clipseg_areas(items, images, model, batch_size=16)
    parts = clipseg_areas(items, images, model, batch_size=batch_size)
    np.testing.assert_allclose(parts["area"], whole["area"], atol=1e-6)
    np.testing.assert_allclose(parts["area_above"], whole["area_above"], atol=2 / SIZE**2)


def test_progress_sees_every_batch(items, images, model):
    seen = []
    clipseg_areas(items, images, model, batch_size=3, progress=lambda b: seen.extend(b) or iter(b))
    assert [len(batch) for batch in seen] == [3, 1]


def test_what_cannot_be_loaded_is_refused(items, images, model, tmp_path):
    with pytest.raises(InputError, match=r"CLIPSeg model .*nothing cannot be loaded"):
        clipseg_areas(items, images, tmp_path / "nothing")
    with pytest.raises(InputError, match=r"4\.png: the file is missing"):
        clipseg_areas(items, tmp_path, model)


def test_missing_transformers_is_named_with_the_remedy(items, images, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match="pip install transformers"):
        clipseg_areas(items, images, model)
