"""Mechanism and direction as confirmations of a templates study, to the report."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from checkout import Checkout
from page_blocks import unpacked

from negtrace.vocabulary import CONFIRMATIONS

NAMES = ("mechanism", "direction")


@pytest.fixture(scope="module")
def study(once) -> Checkout:
    def change(config: dict) -> None:
        config["study"].update(
            datasets=["sentences"],
            wordings=["standard"],
            donors=[],
            confirm=list(NAMES),
        )
        config["datasets"]["demo"]["items"] = 60
        config["datasets"]["sentences"] = {
            "kind": "templates",
            "of": "demo",
            "items": 14,
            "seed": 1,
            "templates": ["there_are", "of_these"],
        }
        config["statistics"] = {"replicates": 100, "flips": 200}
        config["direction"] = {"draws": 2, "least": 0.01}

    def run(checkout: Checkout) -> None:
        checkout.configure(change)
        checkout.run()

    return once("mechanism", run)


def table(study: Checkout, name: str) -> pd.DataFrame:
    return pd.read_parquet(study.path("sentences", "tiny", "standard", f"{name}.parquet"))


def test_every_table_and_figure_is_made(study):
    for name in NAMES:
        for made in CONFIRMATIONS[name].tables:
            assert len(table(study, made)), made
        for figure in CONFIRMATIONS[name].figures:
            for ending in ("svg", "png"):
                path = study.path("sentences", "tiny", "standard", "figures", f"{figure}.{ending}")
                assert path.stat().st_size > 1000


def test_levels_of_the_design_are_crossed(study):
    transfer = table(study, "direction_transfer")
    levels = set(table(study, "direction_cosines")["fitted_on"])
    assert {"there_are", "of_these"} <= levels
    own = transfer[transfer["tested_on"] != "all"]
    of_templates = own[own["factor"] == "template"]
    crossed = set(zip(of_templates["fitted_on"], of_templates["tested_on"], strict=True))
    assert crossed == {(a, b) for a in ("there_are", "of_these") for b in ("there_are", "of_these")}
    patched = table(study, "directions")
    designs = pd.read_parquet(study.path("sentences", "designs.parquet")).set_index("item_id")
    rows = patched[patched["factor"] == "template"]
    wanted = designs.loc[rows["item_id"].astype(str), "template"]
    assert (rows["tested_on"].astype(str).to_numpy() == wanted.astype(str).to_numpy()).all()


def test_the_report_says_what_was_found_or_that_nothing_was(study):
    report = study.path("report.html").read_text()
    blocks = dict(re.findall(r'id="block-([^"]+)">([^<]*)<', report))
    figures = unpacked(blocks["sentences-tiny-standard-figures"])
    assert len(figures) > 2
    for said in ("Mechanism: of 4 heads", "Along the difference of means", "One direction for 2"):
        assert said in report
