"""The positive control through the unchanged pipeline: what was planted is found, nothing else."""

from __future__ import annotations

import pandas as pd
import pytest
from checkout import Checkout

from negtrace.statistics.credible import credible

PLANT = {"first": [1, 2], "second": [3, 1], "carrier": "full_stop", "layers": 3, "heads": 2}
ITEMS = 80


@pytest.fixture(scope="module")
def study(once) -> Checkout:
    def change(config: dict) -> None:
        config["study"].update(models=["planted", "unplanted"])
        config["datasets"]["demo"]["items"] = ITEMS
        config["models"] = {
            "planted": {"plant": PLANT},
            "unplanted": {"plant": {**PLANT, "active": False}},
        }

    def run(checkout: Checkout) -> None:
        checkout.configure(change)
        checkout.run()

    return once("planted", run)


def cells(study: Checkout, model: str) -> pd.DataFrame:
    return pd.read_parquet(study.path("demo", model, "rephrased", "planted.parquet"))


def test_exactly_the_planted_cells_are_found(study):
    table = cells(study, "planted")
    assert (table["found"] == table["planted"]).all()
    heads = table[table["site"] == "head"]
    assert heads.loc[heads["found"], ["layer", "head"]].to_numpy().tolist() == [[1, 2], [3, 1]]
    # Two heads and the hidden states between them; the first and the last are so by definition.
    assert table["planted"].sum() == 2 + 2
    assert table.loc[table["planted"], "ratio"].between(0.9, 1.1).all()
    others = table.loc[~table["planted"], "ratio"]
    assert others.abs().max() < 0.1
    assert others.abs().max() > 0
    assert "planted" in study.path("report.html").read_text()


def test_of_the_significant_heads_only_the_planted_ones_exceed_their_placebo(study):
    """By negation, because d, whose sign follows the picture's brightness, cancels over both."""
    table = pd.read_parquet(study.path("demo", "planted", "rephrased", "map.head.negate.parquet"))
    rows = table[(table["segment"] == "all") & (table["negation"] == "foil")]
    heads = rows[["layer", "head"]].apply(tuple, axis=1)
    planted = {(1, 2), (3, 1)}
    assert set(heads[credible(rows, 0.05)]) == planted
    assert set(heads[rows["p_fwer"] <= 0.05]) > planted


def test_nothing_is_found_where_nothing_is_planted(study):
    table = cells(study, "unplanted")
    assert not table["planted"].any()
    in_circuit = cells(study, "planted")["planted"]
    accuracy = {
        model: pd.read_parquet(study.path("demo", model, "rephrased", "scores.parquet"))["d"]
        for model in ("planted", "unplanted")
    }
    assert accuracy["unplanted"].abs().mean() < 0.2 * accuracy["planted"].abs().mean()
    heads = (table["site"] == "head") & in_circuit
    assert not table.loc[heads, "found"].any()
    assert table.loc[heads, "ratio"].notna().all()
