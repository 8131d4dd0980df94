"""Every refusal of a configuration beside the valid one it departs from."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from negtrace.errors import InputError
from negtrace.settings import validate

ROOT = Path(__file__).parents[1]


@pytest.fixture
def config(monkeypatch) -> dict:
    monkeypatch.chdir(ROOT)
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def changed(config: dict, path: str, value) -> dict:
    config = copy.deepcopy(config)
    *parents, key = path.split("/")
    place = config
    for parent in parents:
        place = place[parent]
    place[key] = value
    return config


def test_shipped_configuration_is_valid(config):
    validate(config)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("segmants", {}, "unknown key 'segmants' in the top level; did you mean 'segments'"),
        ("segments/correct_form", 1, "unknown key 'correct_form' in segments; did you mean"),
        ("filter/min_votes", "two", r"filter\.min_votes: 'two' is not of type 'integer'"),
        ("filter/min_votes", 4, r"filter\.min_votes: 4 .*at most 3"),
        ("study/sites", ["residual"], r"study\.sites\.0: 'residual'.*one of resid, head"),
        ("study/wordings", [], r"study\.wordings"),
        ("study/models", ["dmo"], r"study\.models names 'dmo'.*defined: demo"),
        ("study/datasets", ["valse"], r"study\.datasets names 'valse'"),
        ("compute/device", "gpu", r"compute\.device.*one of auto, cpu, cuda"),
        ("compute/memory_gb", 0, r"compute\.memory_gb"),
        ("models/demo/weights", "gone/x.safetensors", r"models\.demo\.weights: gone/x"),
        ("models/demo/architecture", "gone.json", r"models\.demo\.architecture: gone\.json"),
        ("models/demo/sed", 1, "unknown key 'sed' in models.demo; did you mean 'seed'"),
        ("datasets/demo/kind", "vals", r"datasets\.demo\.kind.*one of scenes, valse"),
        ("datasets/demo/image", "x", r"unknown key 'image' in datasets\.demo"),
        ("datasets/demo", {"kind": "scenes", "items": 3}, r"datasets\.demo: 'seed' is a required"),
        ("datasets/models", {"kind": "scenes", "items": 3, "seed": 1}, "not be named 'models'"),
        ("segments/incorrect_below", 2.0, "must not exceed"),
        ("figures/formats", ["pdf"], r"figures\.formats\.0.*one of svg, png"),
    ],
)
def test_wrong_configurations_are_refused_by_key(config, path, value, message):
    with pytest.raises(InputError, match=message):
        validate(changed(config, path, value))


def test_missing_section_is_named(config):
    del config["compute"]
    with pytest.raises(InputError, match="'compute' is a required property"):
        validate(config)


def test_files_of_a_valse_dataset_must_exist(config, tmp_path):
    annotations, images = tmp_path / "existence.json", tmp_path / "images"
    entry = {"kind": "valse", "annotations": str(annotations), "images": str(images)}
    config = changed(config, "datasets/mine", entry)
    config["study"]["datasets"] = ["mine"]
    with pytest.raises(InputError, match=r"datasets\.mine\.annotations.*does not exist"):
        validate(config)
    annotations.write_text("{}")
    with pytest.raises(InputError, match=r"datasets\.mine\.images.*does not exist"):
        validate(config)
    images.mkdir()
    validate(config)
    config["datasets"]["mine"]["images"] = "generated"
    images.rmdir()
    validate(config)


@pytest.mark.parametrize("study", sorted((ROOT / "workflow/studies").glob("*.yaml")), ids=str)
def test_ready_made_studies_are_valid_but_for_files_to_be_fetched(config, study):
    from snakemake.utils import update_config

    update_config(config, yaml.safe_load(study.read_text()))
    try:
        validate(config)
    except InputError as error:
        assert "does not exist" in str(error)  # noqa: PT017
