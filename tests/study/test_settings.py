"""Every refusal of a configuration beside the valid one it departs from."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from negtrace import vocabulary
from negtrace.errors import InputError
from negtrace.patching.sites import SITES
from negtrace.study import settings
from negtrace.study.checkout import with_own_files
from negtrace.study.contrasts import contrast_of
from negtrace.study.settings import validate
from negtrace.vocabulary import ALL, BASE_OF, SEGMENTS, WORDINGS

ROOT = Path(__file__).parents[2]
STUDIES = sorted((ROOT / "workflow/studies").glob("*.yaml"))


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
        ("segmants", {}, "unknown key segmants, did you mean 'segments'"),
        (
            "segments/correct_form",
            1,
            "unknown key segments.correct_form, did you mean 'correct_from'",
        ),
        ("filter/min_votes", "two", r"filter\.min_votes is 'two', but must be a whole number"),
        ("filter/min_votes", 4, r"filter\.min_votes is 4, but must be at most 3"),
        ("study/sites", ["residual"], r"study\.sites\.0 is 'residual'.*allowed: resid, attn_out"),
        ("filter/where", {"negatr": ["no"]}, r"filter\.where\.negatr, did you mean 'negator'"),
        ("filter/where", {"negator": [False]}, r"negator\.0 is False, but must be text"),
        ("mending/strengths", [], r"mending\.strengths is empty"),
        ("mending/strengths", [-1], "is -1, but must be at least 0"),
        ("study/wordings", [], r"study\.wordings is empty"),
        ("study/models", ["dmo"], r"study\.models names 'dmo', did you mean 'demo'.*defined: demo"),
        ("study/datasets", ["valse"], r"study\.datasets names 'valse'"),
        ("compute/device", "gpu", r"compute\.device is 'gpu'.*allowed: auto, cpu, cuda"),
        ("compute/memory_gb", 0, r"compute\.memory_gb is 0, but must be more than 0"),
        (
            "models/demo/weights",
            "gone/x.safetensors",
            r"models\.demo\.weights: there is no file gone/x",
        ),
        (
            "models/demo/architecture",
            "gone.json",
            r"models\.demo\.architecture: there is no file gone\.json",
        ),
        ("models/demo/sed", 1, "unknown key models.demo.sed, did you mean 'seed'"),
        (
            "datasets/demo/kind",
            "vals",
            r"datasets\.demo\.kind is 'vals', did you mean 'valse'.*: aro, .*scenes, .*valse",
        ),
        ("datasets/demo/image", "x", r"unknown key datasets\.demo\.image"),
        ("datasets/demo", {"kind": "scenes", "items": 3}, r"datasets\.demo lacks the key 'seed'"),
        (
            "datasets/models",
            {"kind": "scenes", "items": 3, "seed": 1},
            "datasets.models: results has a folder models of its own",
        ),
        ("segments/incorrect_below", 2.0, "must not exceed"),
        ("models/source", {"architecture": "ViT-B-32", "weights": "random"}, "choose another name"),
        ("study/title", 3, "study.title is 3, but must be text"),
        ("study/models", "demo", r"study\.models is 'demo', but must be a list"),
        ("study/models", ["demo", "demo"], r"study\.models names something twice"),
        ("models", {"a b": {}}, "'a b' is no name: letters"),
        ("datasets", None, "datasets is None, but must be a mapping"),
        ("compute/dtype", "float16", r"compute\.dtype.*allowed: float32, float64"),
        ("compute/threads", 1.5, "must be a whole number"),
        ("compute/float32_pairs", 0, r"compute\.float32_pairs is 0, but must be at least 1"),
        ("figures/attention_layer", "atuo", r"figures\.attention_layer.*did you mean 'auto'"),
        ("figures/attention_layer", 0, "must be at least 1"),
        ("figures/width_cm", 3, "must be at least 8"),
        ("figures/palette", "viridis", r"figures\.palette.*allowed: vlag, icefire"),
        ("figures/annotate", "yes", "must be true or false"),
        ("direction/shrinkage", 0, r"direction\.shrinkage is 0"),
        ("mechanism/least", -1, r"mechanism\.least is -1"),
        ("figures/formats", ["pdf"], r"figures\.formats\.0 is 'pdf'.*allowed: svg, png"),
    ],
)
def test_wrong_configurations_are_refused_by_key(config, path, value, message):
    with pytest.raises(InputError, match=message):
        validate(changed(config, path, value))


def test_contributions_of_a_post_norm_tower_are_refused_before_any_job(config, tmp_path):
    config = changed(
        config, "models/demo", {"architecture": "roberta-ViT-B-32", "weights": "random"}
    )
    with pytest.raises(InputError, match=r"contributions are not defined for models\.demo"):
        validate(config)
    for name in ("edges", "attribution", "mechanism"):
        with pytest.raises(InputError, match=rf"confirm: {name} are not defined for models\.demo"):
            validate(changed(config, "study/confirm", ["ablation", name]))
    validate(changed(config, "study/confirm", ["ablation", "direction"]))
    (tmp_path / "mine.json").write_text('{"model_cfg": {"text_cfg": {"hf_model_name": "text"}}}')
    config["models"]["demo"]["architecture"] = str(tmp_path / "mine.json")
    with pytest.raises(InputError, match=r"whose text tower \(text\)"):
        validate(config)


def test_directions_need_the_hidden_states(config):
    config = changed(config, "study/confirm", ["direction"])
    validate(config)
    with pytest.raises(InputError, match="direction, which needs the site resid; add it to"):
        validate(changed(config, "study/sites", ["head"]))


@pytest.mark.parametrize("base", ["demo", "contrast", "dem"])
def test_a_base_is_another_model_of_the_study(config, base):
    entry = {**config["models"]["demo"], "base": base}
    wrong = changed(config, "models/demo", entry)
    wrong["models"]["contrast"] = config["models"]["demo"]
    with pytest.raises(InputError, match=f"models.demo.base is '{base}'.* another model of study"):
        validate(wrong)
    valid = changed(wrong, "study/models", ["demo", "contrast"])
    valid["models"]["demo"]["base"] = "contrast"
    validate(valid)


def test_missing_section_is_named(config):
    del config["compute"]
    with pytest.raises(InputError, match="the top level lacks the key 'compute'"):
        validate(config)


def test_files_of_a_valse_dataset_must_exist(config, tmp_path):
    annotations, images = tmp_path / "existence.json", tmp_path / "images"
    entry = {"kind": "valse", "annotations": str(annotations), "images": str(images)}
    config = changed(config, "datasets/mine", entry)
    config["study"]["datasets"] = ["mine"]
    with pytest.raises(
        InputError, match=r"datasets\.mine\.annotations: there is no file .*Heidelberg-NLP/VALSE"
    ):
        validate(config)
    annotations.write_text("{}")
    with pytest.raises(InputError, match=r"datasets\.mine\.images: there is no folder"):
        validate(config)
    images.mkdir()
    validate(config)
    images.rmdir()
    generated = {"kind": "generated", "seed": 0}
    config["datasets"]["mine"]["images"] = generated
    validate(config)
    with pytest.raises(InputError, match=r"mine\.images\.kind.*did you mean 'generated'"):
        validate(changed(config, "datasets/mine/images/kind", "generatd"))
    with pytest.raises(InputError, match=r"images lacks the key 'seed'"):
        validate(changed(config, "datasets/mine/images", {"kind": "generated"}))


ADDRESS = "https://host/file.zip"
VALSE = {"kind": "valse", "images": {"kind": "generated", "seed": 0}}
TABLE = {"kind": "table", "file": "README.md", "images": "docs"}
HUB = {"kind": "huggingface", "source": "owner/name", "split": "test"}
ZIP = {"kind": "zip", "url": ADDRESS, "member": "{image_file}"}


@pytest.mark.parametrize(
    "entry",
    [
        VALSE | {"annotations": {"url": ADDRESS, "sha256": "0" * 64}},
        VALSE | {"annotations": {"url": ADDRESS}},
        VALSE | {"annotations": "README.md", "images": ZIP | {"fallback": [ADDRESS]}},
        TABLE,
        TABLE
        | {"columns": {"image": "a", "id": "b"}, "subjects": {"kind": "clipseg", "model": "x"}},
        HUB,
        HUB | {"subset": "a", "revision": "b", "subjects": {"kind": "boxes", "file": "README.md"}},
    ],
)
def test_datasets_of_every_kind_are_accepted(config, entry):
    config = changed(config, "datasets/mine", entry)
    config["study"]["datasets"] = ["mine"]
    validate(config)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (VALSE | {"annotations": {"sha256": "0" * 64}}, r"annotations lacks the key 'url'"),
        (VALSE | {"annotations": {"url": "file.json", "sha256": "0" * 64}}, "is no address"),
        (VALSE | {"annotations": {"url": ADDRESS, "sha256": "0"}}, "is no sha256"),
        (VALSE | {"annotations": "README.md", "images": ZIP | {"members": "x"}}, "did you mean"),
        (TABLE | {"file": "gone.csv"}, r"mine\.file: there is no file gone\.csv"),
        (TABLE | {"columns": {"picture": "a"}}, r"unknown key .*columns\.picture"),
        (HUB | {"images": "docs"}, r"unknown key datasets\.mine\.images"),
        (HUB | {"subjects": {"kind": "boxes", "file": "gone.csv"}}, r"subjects\.file: there is no"),
        (HUB | {"subjects": {"kind": "box"}}, r"subjects\.kind is 'box', did you mean 'boxes'"),
    ],
)
def test_faults_of_datasets_are_named(config, entry, message):
    config = changed(config, "datasets/mine", entry)
    config["study"]["datasets"] = ["mine"]
    with pytest.raises(InputError, match=message):
        validate(config)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("segments/incorrect_below", 0),
        ("compute/memory_gb", 0.5),
        ("figures/attention_layer", 3),
        ("models/demo/architecture", "ViT-B-32-quickgelu"),
        ("models/demo/weights", "laion2b_s34b_b79k"),
        ("models/demo/seed", 7),
        ("study/title", ""),
    ],
)
def test_valid_alternatives_are_accepted(config, path, value):
    validate(changed(config, path, value))


@pytest.mark.parametrize(
    ("key", "names", "lacking"),
    [("sites", ["head"], "resid"), ("directions", ["affirm"], "negate")],
)
def test_a_constructed_model_is_swept_where_it_was_planted(config, key, names, lacking):
    plant = {"first": [2, 3], "second": [4, 1], "carrier": "subject_first"}
    config = changed(config, "models/planted", {"plant": plant})
    config["study"]["models"] = ["planted"]
    validate(config)
    config["study"][key] = names
    with pytest.raises(InputError, match=f"study.{key} lacks '{lacking}', .* model planted"):
        validate(config)
    config["study"]["wordings"] = ["standard"]
    validate(config)


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_ready_made_studies_need_no_file_but_the_benchmarks(config, study, tmp_path, monkeypatch):
    """What a study file tells the user to put under data/ is all that is missing."""
    update_config(config, yaml.safe_load(study.read_text()))
    monkeypatch.chdir(tmp_path)
    config = with_own_files(config, ROOT)
    missing = []
    for _ in range(20):
        try:
            validate(config)
            break
        except InputError as error:
            ((kind, path),) = re.findall(r"there is no (file|folder) ([^;]+); ", str(error))
            missing.append(path)
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).mkdir() if kind == "folder" else (tmp_path / path).touch()
    else:
        pytest.fail(f"still missing after {missing}")
    assert all(path.startswith("data/") for path in missing)
    assert not missing or "data/" in study.read_text().split("study:")[0]


def test_defaults_name_every_key_of_the_schema(config):
    sections = json.loads(settings.SCHEMA_FILE.read_text())["properties"]
    assert set(config) == set(sections)
    for section in ("study", "downloads", "filter", "segments", "statistics", "compute", "figures"):
        assert set(config[section]) == set(sections[section]["properties"]), section


def test_every_default_key_has_a_comment_above_it():
    previous = ""
    for line in (ROOT / "config.yaml").read_text().splitlines():
        is_entry_name = line.strip() == "demo:"
        if line.strip() and not line.lstrip().startswith("#") and not is_entry_name:
            assert previous.lstrip().startswith("#"), f"{line!r} has no comment"
        previous = line


def test_choices_are_those_of_the_library(config):
    properties = settings.schema()["properties"]
    study = {
        key: value.get("items", {}).get("enum")
        for key, value in properties["study"]["properties"].items()
    }
    assert set(vocabulary.SITES) == set(SITES)
    assert set(study["wordings"]) == set(WORDINGS)
    assert set(study["directions"]) == set(BASE_OF)
    assert set(properties["figures"]["properties"]["segment"]["enum"]) == {*SEGMENTS, ALL}


def test_checking_needs_neither_torch_nor_pandas():
    """It runs whenever the job graph is built."""
    script = (
        "import sys; from negtrace.study import code_hash, layout, settings, step_source;"
        "assert not {'torch', 'pandas', 'numpy'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
    )


@pytest.mark.parametrize(
    ("contrast", "section", "value", "message"),
    [
        ("caption", "wordings", ["rephrased"], "study.wordings has rephrased, which is of neg"),
        ("columns", "controls", ["neutral"], "study.controls has neutral, which is of neg"),
        ({"kind": "caption", "add": ["no"]}, "controls", [], "has no add of negators"),
        ("colour", "controls", [], "contrast is 'colour'.*allowed: negation, columns, caption"),
        ({"lexicon": []}, "controls", [], "contrast.lexicon is empty"),
        ({"words": []}, "controls", [], "unknown key datasets.mine.contrast.words"),
    ],
)
def test_what_only_negations_have_is_asked_of_no_other_contrast(
    config, tmp_path, contrast, section, value, message
):
    (tmp_path / "a.csv").touch()
    config["datasets"]["mine"] = {
        "kind": "table",
        "file": str(tmp_path / "a.csv"),
        "images": str(tmp_path),
        "contrast": contrast,
    }
    config["study"] |= {"datasets": ["mine"], "wordings": ["standard"], section: value}
    with pytest.raises(InputError, match=message):
        validate(config)


def test_contrasts_that_go_without_saying():
    datasets = {
        "a": {"kind": "valse"},
        "b": {"kind": "table", "contrast": "caption"},
        "c": {"kind": "neutral", "of": "b"},
        "d": {"kind": "valse", "contrast": {"roles": "subject", "add": ["hardly"]}},
    }
    found = {name: contrast_of(datasets, name) for name in datasets}
    assert found["a"] == {"kind": "negation", "roles": "paper"}
    assert found["b"] == found["c"] == {"kind": "caption", "roles": "subject"}
    assert found["d"] == {"kind": "negation", "roles": "subject", "add": ["hardly"]}
