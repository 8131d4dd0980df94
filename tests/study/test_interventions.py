"""Interventions of a study's own: what is refused, beside the valid one; what they are called."""

from __future__ import annotations

import copy
from argparse import Namespace
from pathlib import Path

import pytest
import yaml

from negtrace.errors import InputError
from negtrace.patching.interventions import Intervention, named
from negtrace.patching.sites import SITES as PLACES
from negtrace.steps.command_line import units
from negtrace.study.combinations import FROM_SOURCE_ALONE, WITH_WINDOWS, WITHOUT_HEADS
from negtrace.study.interventions import (
    in_words,
    site_of,
    used,
)
from negtrace.study.layout import figures, map_figure, plain_sweeps, sweeps
from negtrace.study.settings import validate
from negtrace.study.step_source import steps
from negtrace.vocabulary import SITES

ROOT = Path(__file__).parents[2]
VALID = {
    "three": {"site": "attn_out", "window": 3},
    "pairs": {"site": "head", "head_sets": [["1.2", "2.1"], ["3.4"]], "donor": "mean"},
    "ends": {"site": "resid", "positions": ["determiner", "EOT"], "layers": [2, 3]},
    "keys": {"site": "k", "heads": ["1.3", "2.1"]},
}


@pytest.fixture
def config(monkeypatch) -> dict:
    monkeypatch.chdir(ROOT)
    found = yaml.safe_load((ROOT / "config.yaml").read_text())
    found["interventions"] = copy.deepcopy(VALID)
    found["study"]["sites"] = ["resid", "head", *VALID]
    return found


def test_named_interventions_are_valid_and_swept_like_sites(config):
    validate(config)
    study = config["study"]
    assert sweeps(study)[2:] == [f"{name}.negate" for name in VALID]
    assert plain_sweeps(study) == ["resid.negate", "head.negate"]
    assert map_figure("three.negate") == "intervention.three.negate"
    assert "intervention.ends.negate" in figures(study, "all")
    study["sites"] = ["head", "keys"]
    assert used(config) == {"keys": VALID["keys"]}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"site": "resid", "window": 2}, r"interventions\.x: site resid has no windows"),
        ({"site": "pattern", "donor": "zero"}, "site pattern can be patched from the source run"),
        ({"site": "attn_out", "heads": ["1.1"]}, "site attn_out has no single heads; use head"),
        ({"site": "q", "head_sets": [["1.1"]]}, "sets of heads are defined for site head"),
        ({"site": "head", "head_sets": [["1.1"]], "layers": [1]}, "sets of heads are defined"),
        ({"site": "resid"}, "changes nothing about the site resid; name that in study.sites"),
        ({"window": 3}, r"interventions\.x lacks the key 'site'"),
        ({"site": "rezid", "window": 1}, "'rezid', did you mean 'resid'"),
        ({"site": "resid", "positions": ["determinr"]}, "did you mean 'determiner'"),
        ({"site": "resid", "positions": "some"}, "allowed: each, all"),
        ({"site": "resid", "layers": []}, "layers is empty"),
        ({"site": "head", "heads": ["1-2"]}, "is no head: use block.head, in quotes"),
        ({"site": "head", "heads": [1.2]}, "is 1.2, but must be text"),
        ({"site": "mlp_out", "window": 0}, "must be at least 1"),
        ({"site": "head", "donor": "base"}, "allowed: source, zero, mean, random"),
        ({"site": "head", "windw": 3}, "unknown key interventions.x.windw, did you mean 'window'"),
    ],
)
def test_nonsense_is_refused_by_key(config, entry, message):
    config["interventions"]["x"] = entry
    with pytest.raises(InputError, match=message) as error:
        validate(config)
    assert "\n" not in str(error.value)


def test_names_have_to_be_free_and_known(config):
    config["interventions"]["head"] = {"site": "head", "window": 2}
    with pytest.raises(InputError, match=r"interventions\.head: there is a site of that name"):
        validate(config)
    del config["interventions"]["head"]
    config["study"]["sites"] = ["thre"]
    with pytest.raises(InputError, match=r"sites\.0 is 'thre', did you mean 'three'"):
        validate(config)
    config["interventions"]["a.b"] = VALID["three"]
    with pytest.raises(InputError, match=r"'a\.b' is no name"):
        validate(config)


def test_what_sites_can_do_is_said_once(config):
    """The lists that the job graph reads, against the engine's sites."""
    assert set(WITH_WINDOWS) == {name for name, site in PLACES.items() if site.windows}
    assert set(WITHOUT_HEADS) == {name for name, site in PLACES.items() if not site.by_head}
    assert set(FROM_SOURCE_ALONE) == {n for n, site in PLACES.items() if site.same_positions}
    assert {n for n, site in SITES.items() if site.states} == {
        n for n, site in PLACES.items() if site.counts_hidden_states
    }


def test_entries_become_interventions():
    assert named("head", None) == Intervention("head")
    assert named("pairs", VALID["pairs"]) == Intervention(
        "head", head_sets=(((1, 2), (2, 1)), ((3, 4),)), donor="mean"
    )
    assert named("ends", VALID["ends"]) == Intervention(
        "resid", positions=("determiner", "EOT"), layers=(2, 3)
    )
    assert named("keys", VALID["keys"]) == Intervention("k", heads=((1, 3), (2, 1)))


def test_interventions_in_words():
    assert in_words(VALID["three"]) == "attention output of 3 blocks at once"
    assert in_words(VALID["pairs"]) == "2 sets of heads, replaced by its mean"
    assert in_words(VALID["ends"]) == "hidden state at determiner and EOT"
    site = site_of("ends", VALID)
    assert (site.label, site.layers) == (
        "hidden state at determiner and EOT (ends)",
        "hidden state",
    )
    assert site.title == "Restoration by hidden state at determiner and EOT (ends)"
    assert site_of("head", VALID) is SITES["head"]


def test_a_sweep_is_recorded_with_its_own_intervention_alone():
    """Or another one in the study would compute it again."""
    paths = [Path(f"r/sweep.{name}.negate.parquet") for name in ("head", "ends")]
    options = Namespace(sweep=paths, interventions=VALID)
    found = list(units(steps()["sweep"], options))
    assert [one.sweep for one in found] == paths
    assert [one.interventions for one in found] == [None, VALID["ends"]]
