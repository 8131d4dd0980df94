"""The verdict and the comparison: what is claimed is in the tables, and doubts are not left out."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from page_samples import sample

from negtrace.report.comparison import parents, row, small_map
from negtrace.report.verdict import example, verdict
from negtrace.statistics.credible import NO_EFFECT


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return sample(tmp_path_factory.mktemp("run"), "big", 1.0, (3, 4), {})


@pytest.fixture(scope="module")
def null(tmp_path_factory):
    return sample(tmp_path_factory.mktemp("run"), "big-random", 0.0, (3, 4), {})


def test_it_says_where_the_effect_goes_and_which_head_carries_it(found):
    said = verdict(found)
    assert said.title == (
        "The negation's effect passes from determiner to EOT by hidden state 1; head 1.2 carries "
        "most of what one head restores"
    )
    assert said.claim == found.headline
    (interval,) = [text for name, text in said.support if name == "Interval"]
    assert interval.startswith("Restoration, ratio of means: head 2 of block 1 (0.")


def test_no_effect_is_a_verdict(null):
    said = verdict(null)
    assert said.title == "No effect of the negation was found"
    assert NO_EFFECT in said.claim
    assert said.support == []
    assert any("random" in text for text in said.against)


def test_what_was_not_tried_is_said_and_controls_are_heard(found, null):
    (untried,) = [text for text in verdict(found).against if text.startswith("Not tried")]
    for missing in ("no placebo", "no transfer", "no ablation", "no negative control"):
        assert missing in untried
    said = verdict(found, [null])
    assert "no negative control" not in " ".join(said.against)
    assert ("Control", f"{null.heading}: {null.headline}") in said.support


def test_an_ablation_that_random_heads_match_speaks_against_it(found):
    tests = pd.DataFrame(
        [("all", null, "mean_d", 5.0, 2.0, 3.0, p, 9) for null, p in
         (("random", 0.01), ("layer_matched", 0.4))]
        + [("all", "random", "accuracy", 1.0, 0.5, 0.9, 0.01, 9)],
        columns=["negation", "null", "measure", "full", "found", "drawn_mean", "p", "n_sets"],
    ).assign(n_items=230, n_pairs=174)  # fmt: skip
    limits = {name: -1.0 for name in ("difference", "difference_ci_low", "difference_ci_high")}
    tests = tests.assign(**limits)
    ablations = pd.DataFrame({"negation": ["all"], "purpose": "found", "k": 2, "heads": "1.2 2.1"})
    minimality = pd.DataFrame(
        {"layer": [1, 2], "head": [2, 1], "loss": [1.0, 0.1], "p_fwer": [0.01, 0.6]}
    )
    said = verdict(replace(found, confirmation=(tests, ablations, minimality))).against
    assert [text for text in said if "of the same blocks do (one-sided p 0.4, 9 sets)" in text]
    assert not [text for text in said if "random heads" in text]
    assert "Of the heads ablated together, 2.1 is not shown to be needed." in said
    assert row(replace(found, confirmation=(tests, ablations, minimality)))["p_ablation"] == 0.4


def test_a_row_has_the_tables_numbers_and_none_where_there_are_none(found, null):
    heads = found.maps["head.negate"]
    best = heads[(heads["negation"] == "all") & (heads["segment"] == "all")].nlargest(1, "ratio")
    said = row(found)
    assert said["head"] == "1.2"
    assert said["ratio"] == pytest.approx(best["ratio"].iloc[0], rel=1e-3)
    assert (said["leaves"], said["arrives"], said["n_items"]) == (1, 1, 36)
    nothing = row(null)
    assert [nothing[name] for name in ("leaves", "arrives", "head", "ratio")] == [None] * 4


def test_a_small_map_has_a_value_at_each_layer_and_row(found):
    table = found.maps["head.negate"]
    small = small_map(table, 0.05)
    cell = table[(table["negation"] == "all") & (table["segment"] == "all")]
    cell = cell[(cell["layer"] == 1) & (cell["head"] == 2)].iloc[0]
    assert (small["rows"], small["layers"]) == ([1, 2, 3, 4], [1, 2, 3])
    assert small["values"][1][0] == pytest.approx(cell["ratio"], rel=1e-3)
    assert small["sure"][1][0] is True


def test_the_example_is_the_item_of_median_d(found):
    items = found.items
    candidates = pd.DataFrame({"item_id": items["item_id"], "image_file": "x.png"})
    candidates = candidates.assign(negated="no", affirmative="some")
    scores = pd.DataFrame({"item_id": items["item_id"], "s_negated": 1.0, "s_affirmative": 2.0})
    shown = example(found, candidates, scores)
    assert (items["d"] < shown["d"]).sum() == (len(items) - 1) // 2
    assert example(replace(found, items=items[:0]), candidates, scores) is None


def test_controls_know_what_they_are_of():
    config = {
        "datasets": {
            "a": {"kind": "scenes"},
            "a-neutral": {"kind": "neutral", "of": "a"},
            "t": {"kind": "templates", "of": "a"},
        },
        "models": {
            "m": {"architecture": "X", "weights": "w"},
            "m-random": {"architecture": "X", "weights": "random"},
        },
    }
    names = [("a", "m", "s"), ("a-neutral", "m", "s"), ("a", "m-random", "s"), ("t", "m", "s")]
    assert parents(names, config) == [None, 0, 0, None]


def test_random_models_are_controls_of_no_random_one():
    config = {
        "datasets": {"a": {"kind": "scenes"}},
        "models": {f"m{seed}": {"architecture": "X", "weights": "random"} for seed in (0, 1)},
    }
    assert parents([("a", "m0", "s"), ("a", "m1", "s")], config) == [None, None]
