"""The shipped models: the demo understands negation, the contrast model only what is there."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from negtrace.data.demo_world.drawing import render
from negtrace.data.demo_world.items import write_dataset
from negtrace.data.image_embeddings import encode_images
from negtrace.data.images import image_files
from negtrace.data.pairs import candidates
from negtrace.data.readers.valse import read_valse
from negtrace.models import openclip
from negtrace.models.alignment import align
from negtrace.models.open_clip_tower import text_tower
from negtrace.patching.scores import scores, sentence_embeddings

DEMO = Path(__file__).parents[1] / "workflow" / "demo"
sys.path.insert(0, str(DEMO))

import batches  # noqa: E402
import card  # noqa: E402
import held_out  # noqa: E402
import train  # noqa: E402
import world  # noqa: E402

HELD_OUT_SEED = 424242
REQUIRED = 0.95
MODELS = ("demo", "contrast")


def load(name: str) -> openclip.LoadedModel:
    return openclip.load(
        openclip.ModelSpec(
            str(DEMO / "negtrace-demo.json"), str(DEMO / f"negtrace-{name}.safetensors")
        )
    )


@pytest.fixture(scope="module")
def loaded():
    return load("demo")


@pytest.fixture(scope="module")
def questions() -> list[held_out.Question]:
    return list(held_out.template_questions(24, HELD_OUT_SEED))


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_small_enough_to_ship(name):
    assert (DEMO / f"negtrace-{name}.safetensors").stat().st_size <= 16_000_000


def test_accuracy_on_held_out_items_in_all_conditions(loaded, tmp_path):
    write_dataset(tmp_path, 1200, HELD_OUT_SEED)
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


def test_the_files_hold_what_the_training_script_starts_from():
    """Embeddings that no sentence trains, as files hold them; and one image encoder for both."""
    torch.manual_seed(0)
    open_clip.add_model_config(train.CONFIG)
    model = open_clip.create_model(train.CONFIG.stem).half().float()
    tokenizer = open_clip.get_tokenizer(train.CONFIG.stem)
    texts = batches.all_texts(world.World(10, np.random.default_rng(0)).subjects)
    text = train.TrainingText(model, tokenizer(texts).unique())
    untrained = torch.ones(model.vocab_size, dtype=torch.bool)
    untrained[text.token_ids] = False
    assert untrained.sum() == 49_298
    demo, contrast = (load_file(DEMO / f"negtrace-{name}.safetensors") for name in MODELS)
    for weights in (demo, contrast):
        stored = weights["token_embedding.weight"][untrained]
        assert torch.equal(stored, model.token_embedding.weight[untrained].half())
    images = [name for name in demo if name.startswith("visual.")]
    assert len(images) > 40
    assert all(torch.equal(demo[name], contrast[name]) for name in images)


def answered(loaded: openclip.LoadedModel, questions: list[held_out.Question]) -> pd.DataFrame:
    found = held_out.answers(questions, card.margins(loaded, questions))
    return found.assign(family=found["template"].map(held_out.family))


def test_accuracy_by_template_and_negator(loaded, questions):
    found = answered(loaded, questions)
    known = found[(found["combination"] != "unseen") & (found["relation"] != "look_alike")]
    of_template = held_out.accuracy(known[known["family"] == "templates"], "template", "negator")
    assert len(of_template) >= 40
    assert of_template.min() >= 0.8, of_template.to_dict()
    assert of_template.mean() >= REQUIRED
    of_clauses = held_out.accuracy(known[known["family"] == "clauses"], "relation")
    assert of_clauses.min() >= 0.85, of_clauses.to_dict()


def test_the_contrast_model_has_no_negation(questions):
    """It knows what pictures show, but not which of two sentences negates it."""
    loaded = load("contrast")
    found = answered(loaded, questions)
    right = held_out.accuracy(found, "relation")
    present, absent = right["present"], right.drop("present").mean()
    assert abs((present + absent) / 2 - 0.5) < 0.1
    assert separation(loaded, questions) > 0.9


def separation(loaded: openclip.LoadedModel, questions: list[held_out.Question]) -> float:
    """Chance that a picture with the subject has a higher score than one without (AUC)."""
    told = [q for q in questions if held_out.family(q.template) == "templates"]
    told = [q for q in told if q.relation in ("present", "absent") and q.combination != "unseen"]
    present = np.array([q.relation == "present" for q in told])
    said = [q.true if q.relation == "present" else q.false for q in told]
    with torch.inference_mode():
        pixels = torch.stack([loaded.preprocess(render(q.scene)) for q in told])
        pictures = loaded.model.encode_image(pixels, normalize=True)
        tokens = loaded.tokenizer.own(said)
        score = (loaded.model.encode_text(tokens, normalize=True) * pictures).sum(-1).numpy()
    return float((score[present][:, None] > score[~present]).mean())
