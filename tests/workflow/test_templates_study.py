"""A templates study to its report: crossed items, every table, nothing found by a random model."""

from __future__ import annotations

import pandas as pd
import pytest
from checkout import Checkout

TEMPLATES = ["there_are", "picture_with", "subject_here", "of_these"]


@pytest.fixture(scope="module")
def study(once) -> Checkout:
    def change(config: dict) -> None:
        config["study"].update(
            datasets=["sentences"],
            wordings=["standard"],
            sites=["head"],
            controls=["neutral"],
            donors=["placebo"],
        )
        config["datasets"]["demo"]["items"] = 60
        config["datasets"]["sentences"] = {
            "kind": "templates",
            "of": "demo",
            "items": 16,
            "seed": 1,
            "templates": TEMPLATES,
            "consensus": 2,
        }
        config["statistics"] = {"replicates": 100, "flips": 200}

    def run(checkout: Checkout) -> None:
        checkout.configure(change)
        checkout.run()

    return once("templates", run)


def table(study: Checkout, name: str) -> pd.DataFrame:
    return pd.read_parquet(study.path("sentences", "tiny", "standard", f"{name}.parquet"))


def test_items_are_crossed_and_share_the_pictures_of_the_dataset(study):
    designs = pd.read_parquet(study.path("sentences", "designs.parquet"))
    assert set(designs["template"]) == set(TEMPLATES)
    images = pd.read_parquet(study.path("sentences", "image_files.parquet"))
    assert set(images["origin"]) == {"scenes"}
    assert not study.path("sentences", "source").exists()
    assert len(table(study, "candidates")) == len(designs)


def test_every_cell_has_its_verdicts(study):
    levels, found = (
        table(study, "template_map.head.negate"),
        table(study, "template_consensus.head.negate"),
    )
    heads = table(study, "sweep.head.negate")[["layer", "head"]].drop_duplicates()
    of_template = levels[levels["factor"] == "template"]
    assert len(of_template) == len(TEMPLATES) * len(heads)
    assert len(found[found["factor"] == "template"]) == len(heads)
    assert set(found.loc[found["factor"] == "template", "k"]) == {2}
    assert len(table(study, "template_variance.head.negate")) == len(heads)
    slopes = table(study, "template_slopes.head.negate")
    assert {"negator_position", "eot_distance", "n_tokens"} <= set(slopes["confound"])
    confounds = table(study, "confounds")
    assert confounds["negator_position"].nunique() >= 3


def test_the_report_says_it(study):
    text = study.path("report.html").read_text()
    assert "Consensus over templates" in text
    assert "Restoration by template, negator and head" in text
    assert study.path("sentences", "tiny", "standard", "templates.negate.svg").is_file()


def test_controls_match_the_sentences_in_length(study):
    swapped = pd.read_parquet(study.path("sentences-neutral", "candidates.standard.parquet"))
    original = table(study, "candidates")
    assert len(swapped) == len(original)
    assert not study.path("sentences-neutral", "tiny", "standard", "confounds.parquet").exists()
    said = set(swapped["negated"])
    assert any("still" in sentence for sentence in said)
    assert any("showing" in sentence for sentence in said)
    placebos = table(study, "donor_map.head.negate")
    assert set(placebos["donor"]) == {"placebo"}
    assert placebos["n_items"].max() == len(original)
