"""Values that no key may hold, and configurations that were mutated at random."""

from __future__ import annotations

import copy
import random
import re
from pathlib import Path

import pytest
import yaml

from negtrace.errors import InputError
from negtrace.study.known_models import tags
from negtrace.study.settings import validate

ROOT = Path(__file__).parents[2]
ODD = [
    *("", "\n", "demo\n", "a\x00b", "\ud800", "x" * 300, "y" * 5000, "../x", "$(touch x)", "{x}"),
    *(float("inf"), float("-inf"), float("nan"), -1, 0, 1e308, 10**30, True, None, 0.5, "é b"),
    *([], {}, [[]], {"kind": "scenes\n"}, {1: 2}, {None: "x"}, ["demo\n"], [None], [{}]),
    *("http://[::1/x", "ViT-B-32", "a/" + "b" * 300 + ".pt", "hf-hub:owner/name"),
]


@pytest.fixture
def config(monkeypatch) -> dict:
    monkeypatch.chdir(ROOT)
    return yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("compute/memory_gb", float("inf"), r"compute\.memory_gb is inf, but must be a finite"),
        ("segments/correct_from", float("nan"), r"segments\.correct_from is nan"),
        ("statistics/seed", 10**30, r"statistics\.seed is beyond"),
        ("study/datasets", ["demo\n"], r"study\.datasets\.0 holds the character '\\n'"),
        ("datasets/demo\n", {}, r"datasets has the key 'demo\\n'"),
        ("datasets/1", {2: 3}, r"datasets\.1 has the key 2, which is no text"),
        ("models/demo/weights", "a/" + "b" * 300, r"models\.demo\.weights has a name of 300 bytes"),
        ("models/demo/weights", "c" * 5000, r"models\.demo\.weights has 5000 characters"),
        ("downloads/mirror", "README.md", r"downloads\.mirror: README\.md is a file"),
        ("models/demo/architecture", "ViT-B-3", r"no architecture 'ViT-B-3', did you mean"),
    ],
)
def test_a_value_that_would_break_something_later_is_refused(config, path, value, message):
    *parents, key = path.split("/")
    place = config
    for parent in parents:
        place = place[parent]
    place[key] = value
    with pytest.raises(InputError, match=message) as refused:
        validate(config)
    assert "\n" not in str(refused.value)


def test_tags_and_their_activation_are_open_clips():
    pretrained = pytest.importorskip("open_clip.pretrained")
    theirs = {
        name: {tag: bool(entry.get("quick_gelu")) for tag, entry in entries.items()}
        for name, entries in pretrained._PRETRAINED.items()
    }
    assert tags() == theirs


def test_a_tag_of_another_activation_is_refused_by_name(config):
    config["models"]["demo"] = {"architecture": "ViT-B-32", "weights": "openai"}
    with pytest.raises(InputError, match="with QuickGELU; use the architecture ViT-B-32-quickgelu"):
        validate(config)
    config["models"]["demo"]["architecture"] = "ViT-B-32-quickgelu"
    validate(config)
    config["models"]["demo"]["weights"] = "opnai"
    with pytest.raises(InputError, match="did you mean 'openai'"):
        validate(config)


def places(value, place=()):
    yield place
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*place, key))


def mutate(config: dict, rng: random.Random) -> dict:
    mutated = copy.deepcopy(config)
    for _ in range(rng.randint(1, 2)):
        *parents, key = rng.choice([place for place in places(mutated) if place])
        around = mutated
        for parent in parents:
            around = around[parent]
        match rng.randrange(3):
            case 0:
                around[key] = rng.choice(ODD)
            case 1 if isinstance(around, dict):
                around[rng.choice(["x", "demo\n", 3, None, "kind", "plant"])] = around.pop(key)
            case _:
                del around[key]
    return mutated


def refusal(config: dict) -> str | None:
    try:
        validate(config)
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize("seed", range(4))
def test_mutated_configurations_are_valid_or_refused_in_one_line(config, seed):
    rng = random.Random(seed)
    refused = 0
    for _ in range(40):
        words = refusal(mutate(config, rng))
        refused += words is not None
        assert words is None or re.fullmatch(r"configuration: [^\n\x1b]{1,1200}", words)
    assert refused > 20
