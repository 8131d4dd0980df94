"""The demo world: true captions, exact masks, unseen combinations, VALSE's format."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from negtrace.data.demo_world import drawing, scenes
from negtrace.data.demo_world.items import write_dataset
from negtrace.data.pairs import candidates, select
from negtrace.data.readers.valse import read_valse

COUNT, SEED = 480, 1  # the default study's


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("scenes")
    write_dataset(path, COUNT, SEED)
    return path


@pytest.fixture(scope="module")
def entries(folder) -> dict:
    return json.loads((folder / "existence.json").read_text())


def test_same_seed_same_bytes(folder, tmp_path):
    write_dataset(tmp_path, 40, SEED)
    for file in sorted(tmp_path.rglob("*.png")):
        assert file.read_bytes() == (folder / file.relative_to(tmp_path)).read_bytes()
    write_dataset(tmp_path, 40, SEED + 1)
    assert len(list((tmp_path / "images").iterdir())) == 80


def test_size_of_the_default_study(folder):
    for wording in ("standard", "rephrased"):
        accepted, rejected = candidates(read_valse(folder / "existence.json"), wording)
        pairs, excluded = select(accepted, rejected, 2)
        assert len(rejected) == 0
        assert len(excluded) == COUNT // 25
        assert len(pairs) >= 400
        assert pairs["pair_id"].nunique() >= 120
        assert pairs["negation"].value_counts().min() >= 200
    assert set(pairs["edit"]) == {"a_to_no", "some_to_no"}


def test_format_is_that_of_valse(entries):
    fields = {
        "dataset",
        "dataset_idx",
        "image_file",
        "linguistic_phenomena",
        "caption",
        "answer",
        "classes",
        "split",
        "original_split",
        "classes_foil",
        "declarative_statement",
        "declarative_statement_foils",
        "provenance_of_foils",
        "mturk",
        "foil",
    }
    for entry in entries.values():
        assert fields < set(entry)
        assert sum(entry["mturk"].values()) == 3


def test_mask_is_empty_exactly_where_the_affirmative_sentence_is_false(folder, entries):
    for entry in entries.values():
        image = np.asarray(Image.open(folder / "images" / entry["image_file"]))
        mask = np.asarray(Image.open(folder / "masks" / entry["image_file"]))
        assert image.shape == (scenes.IMAGE_SIZE, scenes.IMAGE_SIZE, 3)
        assert mask.shape == image.shape[:2]
        affirmative_is_true = " no " not in entry["caption"]
        assert (mask > 0).any() == affirmative_is_true
        assert (entry["answer"] > 0) == affirmative_is_true


def test_mask_covers_the_subject_and_nothing_else():
    red_star = scenes.Thing("red", "star", 12, 12, 20, (255, 0, 0))
    blue_star = scenes.Thing("blue", "star", 36, 36, 20, (0, 0, 255))
    scene = scenes.Scene((red_star, blue_star), 128)
    image = np.asarray(drawing.render(scene)).astype(int)
    mask = np.asarray(drawing.subject_mask(scene, scenes.Subject("red", "star"))) > 0
    reddish = image[..., 0] - image[..., 2] > 127  # at least half covered
    assert mask[:24, :24].any()
    assert not mask[24:, 24:].any()
    assert mask.sum() > 100
    assert (mask != reddish).sum() <= 2
    both = np.asarray(drawing.subject_mask(scene, scenes.Subject(None, "star"))) > 0
    assert both.sum() > 1.8 * mask.sum()


def test_grammar_covers_what_valse_has(entries):
    sentences = [s for e in entries.values() for s in (e["caption"], e["foil"])]
    kinds = {
        "singular": r"There is a \w+",
        "singular negated": r"There is no \w+",
        "plural": r"There are (?!no |some )\w+",
        "plural negated": r"There are no \w+",
        "some": r"There are some \w+",
        "one word, no phrase": r"There (is|are)( a| no| some)? \w+\.$",
        "two words and a phrase": r"There (is|are)( a| no| some)? \w+ \w+ in the \w+\.$",
    }
    for kind, pattern in kinds.items():
        assert any(re.match(pattern, sentence) for sentence in sentences), kind


def test_unseen_combinations_are_balanced_and_absent_from_the_seen_ones(entries):
    conditions = Counter(
        (entry["combination"], " no " in entry["caption"]) for entry in entries.values()
    )
    assert min(conditions.values()) >= 60
    assert not set(scenes.SEEN) & set(scenes.UNSEEN)
    for kind in range(2):
        names = [combination[kind] for combination in scenes.UNSEEN]
        assert len(set(names)) == len(names)
        seen = Counter(combination[kind] for combination in scenes.SEEN)
        assert all(seen[name] >= 3 for name in names)


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ("present", {(True, True)}),
        ("absent", {(False, False)}),
        ("partial", {(True, False), (False, True)}),
        ("look_alike", {(True, True)}),
    ],
)
@pytest.mark.parametrize("combination", [("red", "star"), ("beige", "diamond")])
def test_scenes_stand_in_the_relation_asked_for(relation, expected, combination):
    rng = np.random.default_rng(0)
    colour, shape = combination
    found, counts = set(), set()
    for _ in range(100):
        scene = scenes.scene_about(scenes.Subject(colour, shape), relation, rng)
        assert scene.shows(scenes.Subject(colour, shape)) == (relation == "present")
        found.add(
            (scene.shows(scenes.Subject(colour, None)), scene.shows(scenes.Subject(None, shape)))
        )
        counts.add(len(scene.things))
    assert found == expected
    assert counts <= set(range(1, scenes.MOST_THINGS + 1))
    assert len(counts) > 1


def test_one_word_subjects_are_present_or_absent():
    rng = np.random.default_rng(0)
    for subject in scenes.subjects(()):
        for relation in ("present", "absent", "partial"):
            scene = scenes.scene_about(subject, relation, rng)
            assert scene.shows(subject) == (relation == "present")


def test_colours_of_the_training_are_none_of_the_benchmark():
    shades = np.array([*scenes.COLOURS.values(), *scenes.MORE_COLOURS.values()])
    apart = np.linalg.norm(shades[:, None] - shades, axis=-1) + 1000 * np.eye(len(shades))
    assert apart.min() > 50  # twice what shades of one colour vary by, at most
    assert not set(scenes.PLURALS) & set(scenes.MORE_PLURALS)


def test_every_shape_is_drawn_as_another_polygon():
    shapes = [*scenes.PLURALS, *scenes.MORE_PLURALS]
    pictures = []
    for shape in shapes:
        thing = scenes.Thing("red", shape, 24, 24, 40, (255, 0, 0))
        pictures.append(np.asarray(drawing.render(scenes.Scene((thing,))), dtype=int))
    for a, b in itertools.combinations(pictures, 2):
        assert (np.abs(a - b).sum(-1) > 100).sum() > 60


def test_an_object_beside_is_shown_and_stands_in_no_way():
    rng = np.random.default_rng(0)
    subject = scenes.Subject("red", "star")
    for relation in ("present", "absent", "partial", "look_alike"):
        for _ in range(30):
            scene = scenes.scene_about(subject, relation, rng, beside=[("blue", "moon")])
            assert scene.shows(subject) == (relation == "present")
            assert scene.shows(scenes.Subject("blue", "moon"))
            assert len(scene.things) <= scenes.MOST_THINGS


def test_seen_scenes_show_no_unseen_combination():
    rng = np.random.default_rng(0)
    for _ in range(200):
        scene = scenes.sample_scene(rng, scenes.SEEN)
        assert not any(scene.shows(scenes.Subject(*c)) for c in scenes.UNSEEN)
