"""Interventions of a study's own and a choice of items, in a real run of a small study."""

from __future__ import annotations

import pandas as pd
import pytest
from checkout import Checkout

from negtrace.models.tower_file import load_tower
from negtrace.patching.interventions import Intervention
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import pictured

ENTRIES = {
    "both": {"site": "attn_out", "window": 2},
    "sets": {"site": "head", "head_sets": [["1.1", "2.1"], ["1.2"]], "donor": "mean"},
    "ends": {"site": "resid", "positions": ["determiner", "EOT"], "layers": [1]},
    "keys": {"site": "k", "heads": ["1.1"]},
}
LEFT_OUT = 4


@pytest.fixture(scope="module")
def study(once) -> Checkout:
    def change(config: dict) -> None:
        config["study"].update(sites=["head", *ENTRIES])
        config["interventions"] = ENTRIES

    def run(checkout: Checkout) -> None:
        checkout.configure(change)
        checkout.run("results/demo/pairs.rephrased.parquet")
        pairs = pd.read_parquet(checkout.path("demo", "pairs.rephrased.parquet"))
        wanted = pairs["item_id"].tolist()[LEFT_OUT:]
        checkout.configure(lambda config: (change(config), config.update(filter={"items": wanted})))
        checkout.run()

    return once("interventions", run)


def table(study: Checkout, name: str) -> pd.DataFrame:
    return pd.read_parquet(study.path("demo", "tiny", "rephrased", f"{name}.parquet"))


@pytest.mark.parametrize(
    ("name", "intervention"),
    [
        ("both", Intervention("attn_out", window=2)),
        ("ends", Intervention("resid", positions=("determiner", "EOT"), layers=(1,))),
        ("keys", Intervention("k", heads=((1, 1),))),
        ("sets", Intervention("head", head_sets=(((1, 1), (2, 1)), ((1, 2),)), donor="mean")),
    ],
)
def test_a_sweep_is_that_of_the_library(study, name, intervention):
    found = table(study, f"sweep.{name}.negate")
    tower = load_tower(study.path("models", "tiny"))
    images = pd.read_parquet(study.path("demo", "tiny", "images.parquet"))
    tables = [table(study, n) for n in ("alignment", "candidates", "scores")]
    items = pictured(tables[1], images)
    scale = tower.identity["logit_scale"]
    own = sweep(tower, tables[0], items, images, tables[2], intervention, "negate", scale)
    assert len(found) == len(own) > 0
    assert found["s_patched"].sub(own["s_patched"]).abs().max() < 1e-4
    assert (found["s_patched"].isna() == own["s_patched"].isna()).all()
    assert set(found["site"]) == {name}


def test_cells_that_are_patched_together_are_named_by_what_they_hold(study):
    assert set(table(study, "map.ends.negate")["role"]) == {"determiner+EOT"}
    sets = table(study, "map.sets.negate")
    assert set(sets["role"]) == {"1.1+2.1", "1.2"}
    assert set(sets.loc[sets["role"] == "1.1+2.1", "layer"]) == {1}
    assert set(table(study, "map.keys.negate")["head"]) == {1}


def test_what_brings_nothing_from_a_source_has_no_donors(study):
    assert table(study, "donor_sweep.sets.negate").empty
    ends = table(study, "donor_sweep.ends.negate")
    assert set(ends["donor"]) == {"placebo", "transfer"}
    assert set(ends["role"]) == {"determiner+EOT"}


def test_maps_are_of_the_chosen_items_alone(study):
    excluded = pd.read_parquet(study.path("demo", "excluded.rephrased.parquet"))
    assert (excluded["reason"] == "not among filter.items").sum() == LEFT_OUT
    known = set(table(study, "segments")["item_id"])
    assert not known & set(excluded["item_id"])
    assert table(study, "map.both.negate")["n_items"].max() == len(known)


def test_figures_and_report_call_an_intervention_what_it_is(study):
    page = study.path("report.html").read_text()
    assert "attention output of 2 blocks at once (both)" in page
    for name in ENTRIES:
        figure = study.path(
            "demo", "tiny", "rephrased", "figures", f"intervention.{name}.negate.svg"
        )
        assert "<svg" in figure.read_text()
