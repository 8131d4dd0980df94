"""The shipped demo model understands "no": held-out accuracy in every condition."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from negtrace.data import scenes
from negtrace.data.image_embeddings import encode_images
from negtrace.data.images import image_files
from negtrace.data.pairs import candidates
from negtrace.data.readers.valse import read_valse
from negtrace.models import openclip
from negtrace.models.alignment import align
from negtrace.models.open_clip_tower import text_tower
from negtrace.patching.scores import scores, sentence_embeddings

DEMO = Path(__file__).parents[1] / "workflow" / "demo"
HELD_OUT_SEED = 424242
REQUIRED = 0.95


@pytest.fixture(scope="module")
def loaded():
    return openclip.load(
        openclip.ModelSpec(
            str(DEMO / "negtrace-demo.json"), str(DEMO / "negtrace-demo.safetensors")
        )
    )


def test_weights_are_small_enough_to_ship():
    assert (DEMO / "negtrace-demo.safetensors").stat().st_size <= 16_000_000


def test_accuracy_on_held_out_items_in_all_conditions(loaded, tmp_path):
    scenes.write_dataset(tmp_path, 1200, HELD_OUT_SEED)
    valse = read_valse(tmp_path / "existence.json")
    raw = pd.read_json(tmp_path / "existence.json", orient="index")
    combination = raw["combination"].to_dict()
    names = image_files(valse)
    vectors = encode_images(loaded, [tmp_path / "images" / n for n in names])
    images = pd.DataFrame({"image_file": names, "embedding": list(vectors)})
    tower = text_tower(loaded.model)
    for wording in ("standard", "rephrased"):
        items, _ = candidates(valse, wording)
        alignment = align(items, loaded.tokenizer, tower.shape)
        sentences = sentence_embeddings(tower, alignment)
        table = scores(items, sentences, images, loaded.identity["logit_scale"])
        table["combination"] = table["item_id"].map(combination)
        correct = (table["d"] > 0).groupby([table["negation"], table["combination"]]).mean()
        assert len(correct) == 4
        assert correct.min() >= REQUIRED, f"{wording}: {correct.to_dict()}"
        assert (table["d"].abs() >= 1).mean() > 0.8
