"""Negation directions of a study: the planted flag is one, nothing is where it is off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from test_planted import Control

from negtrace.analyses.directions import study_directions
from negtrace.analyses.fitted_directions import fitted_directions, halves, other
from negtrace.analyses.planted import Plant
from negtrace.figures.directions import direction_figure
from negtrace.patching.role_states import role_states
from negtrace.patching.sentences import sentence_pairs
from negtrace.report.directions import of_directions
from negtrace.statistics.direction_map import direction_map, direction_transfer
from negtrace.statistics.directions import RANDOM
from negtrace.statistics.effect_sizes import Options

PLANT = Plant((1, 2), (3, 1), layers=3, heads=2, width=32, seed=1)
FLAGGED = {
    *((0, "determiner"), (1, "subject_first"), (2, "subject_first")),
    (3, "EOT"),
}
QUICK = Options(replicates=200, flips=400)
LEAST, DRAWS = 0.1, 3


class Found:
    """A planted tower's directions, patched and mapped."""

    def __init__(self, active: bool, designed: bool = False) -> None:
        control = Control(PLANT, active)
        self.tower, self.tables = control.tower, control.tables
        designs = None
        if designed:
            ids = control.items["item_id"].astype(str)
            levels = np.array(["a", "b"])[np.arange(len(ids)) % 2]
            designs = pd.DataFrame({"item_id": ids, "template": levels, "negator": "no"})
        self.directions, self.told, self.cosines = study_directions(
            self.tower, self.tables, designs, "negate", DRAWS, 0.1, LEAST, seed=0
        )
        both = (self.tables["scores"], self.tables["segments"])
        self.map = direction_map(
            self.directions, self.told, control.sweep("resid"), *both, LEAST, QUICK
        )
        self.transfer = direction_transfer(self.directions, self.cosines, *both, QUICK)


@pytest.fixture(scope="module")
def planted() -> Found:
    return Found(active=True, designed=True)


def over_all(found: Found, method: str) -> pd.DataFrame:
    rows = found.map[(found.map["negation"] == "all") & (found.map["method"] == method)]
    return rows.set_index([rows["layer"].astype(int), rows["role"].astype(str)])


def test_the_planted_flag_is_one_direction_and_nothing_else_is(planted):
    rows = over_all(planted, "difference")
    assert set(rows.index[rows["kept"]]) == FLAGGED
    carried = rows.loc[sorted(FLAGGED)]
    # At the determiner the two sentences differ in tokens, of which the marker is only a part.
    assert (carried["ratio"] > 0.8).all()
    assert (carried["whole"] - 1).abs().max() < 0.05
    assert (carried["accuracy"] == 1).all()
    assert (carried["random_highest"].abs() < carried["ratio"]).all()
    others = rows.drop(list(FLAGGED))
    assert others["ratio"].abs().max() < LEAST


def test_the_probe_finds_the_same_places(planted):
    rows = over_all(planted, "probe")
    assert set(rows.index[rows["kept"]]) == FLAGGED


def test_random_directions_are_patched_where_a_fitted_one_matters_and_nowhere_else(planted):
    noise = planted.directions[planted.directions["method"] == RANDOM]
    assert set(noise["role"].astype(str)) == {role for _, role in FLAGGED}
    assert set(noise["draw"]) == {1, 2, 3}
    rows = over_all(planted, "difference")
    there = rows.index.get_level_values("role").isin({role for _, role in FLAGGED})
    assert rows["random"].notna().tolist() == there.tolist()


def test_sentences_and_figure_say_it(planted):
    said = of_directions(planted.map, planted.transfer[:0], 0.05)
    assert "4 differ from 0" in said[0]
    assert "random: " in said[0]
    assert "one group" in said[-1]
    drawn = direction_figure(planted.map, {})
    titles = {axis.get_title() for axis in drawn.axes}
    assert {"determiner", "subject_first", "EOT"} <= titles


def test_nothing_is_found_where_the_circuit_is_off():
    found = Found(active=False)
    # Shares of a d of almost nothing say nothing; logits do: the planted flag is worth more than 5.
    assert found.map["difference"].abs().max() < 0.25
    names = found.directions[["factor", "fitted_on", "tested_on"]]
    assert set(map(str, names.dtypes)) == {"object"}  # NaN is no word to Parquet
    assert names.isna().all(axis=None)
    assert found.transfer.empty
    assert found.cosines.empty
    nothing = found.map.assign(random=np.nan)
    assert "no direction" in direction_figure(nothing, {}).texts[0].get_text()


def test_no_pair_has_a_direction_that_it_was_fitted_to(planted):
    """By hand: the difference of means of the other half's states, cluster by cluster."""
    pairs = sentence_pairs(planted.tables["alignment"])
    half = halves(planted.tables["segments"], 0)
    fitted = fitted_directions(planted.tower, pairs, "negate", half, 0.1)
    cluster = planted.tables["segments"].drop_duplicates("pair_id").set_index("pair_id")
    for _, of_cluster in cluster.groupby("cluster_id", observed=True):
        assert len({half[str(pair)] for pair in of_cluster.index}) == 1
    (states,) = role_states(planted.tower, pairs, "EOT", "negate")
    of_row = np.array([half[pairs[i].pair_id] for i in states.pairs])
    assert set(of_row) == {"0", "1"}
    for name in ("0", "1"):
        rows = torch.from_numpy(of_row == name)
        wanted = (states.source[:, rows] - states.base[:, rows]).double().mean(1)
        vector = fitted.vectors["difference"][other(name), "EOT"]
        np.testing.assert_allclose(vector, wanted, atol=1e-6)


def test_the_direction_of_one_template_serves_the_other(planted):
    """Both templates are of the same sentences here."""
    table = planted.transfer
    assert set(table["factor"].astype(str)) == {"template"}  # there is one negator only
    last = table[table["layer"] == 3].set_index(["fitted_on", "tested_on"])
    crossed = last.loc[[("a", "b"), ("b", "a"), ("another", "all"), ("the same", "all")]]
    assert (crossed["ratio"] > 0.8).all()
    assert (crossed["cosine"] > 0.8).all()
    assert (crossed["cosine_ci_low"] <= crossed["cosine"]).all()
    assert (crossed["cosine_ci_high"] >= crossed["cosine"]).all()
    assert (crossed["cosine_ci_low"] > 0.5).all()
    assert last.loc[("another", "all"), "n_items"] == len(planted.tables["candidates"])
    parts = last.loc[[("a", "b"), ("b", "a")]]
    assert parts["n_items"].sum() == len(planted.tables["candidates"])
    said = of_directions(planted.map, table, 0.05)[-1]
    assert said.startswith("One direction for 2 templates? In hidden state 3 at EOT")
