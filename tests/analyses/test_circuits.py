"""Edges and circuits of a study: planted ones are found, nothing where they are off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_ablation import study_of_two_carriers
from test_planted import Control

from negtrace.analyses.circuits import COLUMNS, circuit_heads, measured_circuit, shares
from negtrace.analyses.edges import chosen_receivers, study_edges
from negtrace.analyses.planted import Plant
from negtrace.figures.circuit import circuit_figure
from negtrace.patching.edges import receivers_named
from negtrace.report.circuits import of_circuit, of_edges
from negtrace.statistics.edge_map import edge_map
from negtrace.statistics.effect_sizes import Options
from negtrace.statistics.groups import segments
from negtrace.statistics.kept_edges import kept_edges

PLANT = Plant((1, 2), (3, 1), layers=3, heads=2, width=32, seed=1)
FIRST, SECOND = "1.2", "3.1"
RECEIVERS = ["1.1", "1.2", "2.1", "2.2", "3.1", "3.2", "mlp.2"]
QUICK = Options(replicates=200, flips=400)
LEAST = 0.1  # what random heads carry is less


def found(active: bool, direction: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All edges of a planted tower: their map, and those that are kept."""
    control = Control(PLANT, active)
    names = [name + part for name in RECEIVERS[:-1] for part in ("", ".q", ".k", ".v")]
    into = receivers_named([*names, RECEIVERS[-1], "read-out"], control.tower.shape)
    edges = study_edges(control.tower, control.tables, into, None, [direction], seed=0)
    assert edges["s_placebo"].notna().all()
    table = edge_map(edges, control.scores, control.tables["segments"], LEAST, QUICK)
    return table, kept_edges(table)


def names(kept: pd.DataFrame) -> set[tuple[str, str, str]]:
    return set(kept[["sender", "receiver", "role"]].astype(str).itertuples(index=False, name=None))


READ = {("embedding", FIRST, "determiner"), (FIRST, SECOND, "subject_first")}
WRITTEN = {(SECOND, "read-out", "EOT")}


def test_bringing_the_negation_in_finds_the_planted_edges_and_no_other():
    """A key without its value, or a value without its key, brings nothing in."""
    _, kept = found(active=True, direction="negate")
    assert names(kept) == READ | WRITTEN
    assert kept["ratio"].min() > 0.8


def test_taking_the_negation_out_tells_queries_keys_and_values_apart():
    """Without its key or without its value a head writes no flag; its query stays what it was.

    Both at once do no more, and of so few pairs not always significantly more than noise does.
    """
    table, kept = found(active=True, direction="affirm")
    parts = {(s, f"{r}.{part}", role) for s, r, role in READ for part in ("k", "v")}
    assert parts | WRITTEN <= names(kept) <= READ | parts | WRITTEN
    said = of_edges(table, 0.05)
    assert f"{len(kept)} differ from 0" in said[0]
    assert "embedding to 1.2" in said[1]
    figure = circuit_figure(table, {})
    drawn = {text.get_text() for text in figure.axes[0].texts}
    assert {"embedding", FIRST, SECOND, "read-out"} <= drawn


@pytest.mark.parametrize("direction", ["negate", "affirm"])
def test_nothing_is_found_where_the_circuit_is_off(direction):
    table, _ = found(active=False, direction=direction)
    # Shares of a d of almost nothing say nothing; logits do: a planted edge is worth more than 5.
    assert table["difference"].abs().max() < 0.25


def test_heads_are_those_at_either_end():
    rows = [("embedding", "1.2.k"), ("mlp.1", "2.1"), ("2.3", "read-out"), ("1.2", "mlp.3")]
    table = pd.DataFrame(rows, columns=["sender", "receiver"])
    assert circuit_heads(table) == ((1, 2), (2, 1), (2, 3))
    assert circuit_heads(table[:0]) == ()


def test_shares_by_hand():
    """Mean d: whole 4, none 0; circuit kept 3, removed 1; a random set 2 and 2."""
    d = {0: 4.0, 1: 0.0, 2: 1.0, 3: 2.0, 4: 3.0, 5: 2.0}
    rows = [(number, item, item, value) for number, value in d.items() for item in "abcdefgh"]
    ablated = pd.DataFrame(rows, columns=["set", "item_id", "pair_id", "d"])
    ablated["cluster_id"] = ablated["pair_id"]
    table = shares(ablated, 1, {"completeness": 2, "faithfulness": 2}, QUICK).set_index("measure")
    assert table["found"].to_dict() == {"completeness": 0.25, "faithfulness": 0.75}
    assert table["drawn_mean"].tolist() == [0.5, 0.5]
    assert table["p"].tolist() == [0.5, 0.5]
    flat = ablated.assign(d=1.0)
    assert shares(flat, 1, {"faithfulness": 2}, QUICK)["found"].isna().all()


@pytest.fixture(scope="module")
def carried() -> dict[str, pd.DataFrame]:
    study = study_of_two_carriers()
    thresholds = {"incorrect_below": -0.1, "correct_from": 0.1}
    return {
        "tower": study.tiny.tower,
        "alignment": study.alignment,
        "placebo_alignment": study.alignment[:0],
        "candidates": study.items,
        "images": study.images,
        "scores": study.scores,
        "segments": segments(study.scores, study.items, thresholds),
        "sweep": study.sweep("head", "negate"),
    }


def test_the_heads_that_carry_the_effect_are_chosen_found_and_confirmed(carried):
    tables = dict(carried)
    tower = tables.pop("tower")
    chosen = chosen_receivers(tables["sweep"], tables["scores"], tables["segments"], 2, 0)
    assert set(chosen[:-1]) == {f"{h}{p}" for h in ("1.5", "2.12") for p in ("", ".q", ".k", ".v")}
    into = receivers_named(chosen, tower.shape)
    tables["edges"] = study_edges(tower, tables, into, None, ["negate"], seed=0)
    circuit, needed = measured_circuit(tower, tables, "negate", 0.2, 20, QUICK)
    assert circuit.columns.tolist() == COLUMNS
    rows = circuit.set_index("measure")
    assert set(rows["heads"]) == {"1.5 2.12"}
    assert rows.loc["faithfulness", "found"] == pytest.approx(1, abs=0.1)
    assert rows.loc["completeness", "found"] == pytest.approx(0, abs=0.1)
    assert rows.loc["faithfulness", "drawn_mean"] < 0.3
    assert (rows["p"] <= 2 / 21).all()
    assert (needed["loss"] > 0).all()
    assert "2 heads (1.5 2.12)" in of_circuit(circuit, needed, 0.05)[0]


def test_without_a_strong_edge_there_is_no_circuit(carried):
    tables = dict(carried)
    tower = tables.pop("tower")
    into = receivers_named(["2.1.q"], tower.shape)
    tables["edges"] = study_edges(tower, tables, into, None, ["negate"], seed=0)
    circuit, needed = measured_circuit(tower, tables, "negate", np.inf, 20, QUICK)
    assert circuit.empty
    assert needed.empty
    assert "No circuit" in of_circuit(circuit, needed, 0.05)[0]
