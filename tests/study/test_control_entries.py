"""Controls become datasets and models of the study, under names of their own."""

from __future__ import annotations

import copy

import pytest

from negtrace.errors import InputError
from negtrace.study.control_entries import with_controls

CONFIG = {
    "study": {"datasets": ["a", "b"], "models": ["m", "p"], "controls": []},
    "statistics": {"seed": 7},
    "datasets": {"a": {"kind": "scenes"}, "b": {"kind": "valse"}, "unused": {"kind": "valse"}},
    "models": {"m": {"architecture": "ViT-B-32", "weights": "openai"}, "p": {"plant": {}}},
}


def controlled(*controls: str) -> dict:
    config = copy.deepcopy(CONFIG)
    config["study"]["controls"] = list(controls)
    return config


def test_every_control_adds_what_it_is_about():
    found = with_controls(controlled("neutral", "random", "shuffled"))
    assert found["study"]["datasets"] == [
        *("a", "b", "a-neutral", "b-neutral", "a-shuffled", "b-shuffled")
    ]
    assert found["datasets"]["b-shuffled"] == {"kind": "shuffled", "of": "b", "seed": 7}
    assert "unused-neutral" not in found["datasets"]
    # A planted model has no architecture of its own to randomise.
    assert found["study"]["models"] == ["m", "p", "m-random"]
    assert found["models"]["m-random"] == {
        "architecture": "ViT-B-32",
        "weights": "random",
        "seed": 7,
    }


def test_without_controls_nothing_changes_and_the_given_configuration_never_does():
    given = controlled()
    assert with_controls(given) == given
    given = controlled("neutral")
    before = copy.deepcopy(given)
    with_controls(given)
    assert given == before


def test_a_taken_name_is_refused():
    config = controlled("neutral")
    config["datasets"]["a-neutral"] = {"kind": "valse"}
    with pytest.raises(InputError, match=r"datasets\.a-neutral, which is there already; rename"):
        with_controls(config)
