"""What tests, controls and confirmations say, in words."""

from __future__ import annotations

import pandas as pd
from conftest import effect_rows

from negtrace.report import evidence
from negtrace.report.contributions import of_contributions


def test_cells_are_counted_by_both_corrections():
    table = effect_rows((1, 0.3, 0.01), (2, 0.2, 0.08), (3, 0.1, 0.5), (4, 0.0, 1.0))
    (said,) = evidence.of_significance(table, "head", 0.05)
    assert said == (
        "Of the 3 cells by head that can differ from 0 over all items (1 more are known by"
        " definition or change nothing), 1 do at a family-wise error of 5% over the map (max-T"
        " over sign flips of pairs), 2 at a false discovery rate of 5%."
    )
    (wider,) = evidence.of_significance(table.assign(p_study=0.02), "head", 0.05)
    assert wider.endswith("false discovery rate of 5%, 3 family-wise over all maps of the model.")


def test_known_cells_are_not_counted():
    table = effect_rows((1, 0.3, 0.01), (2, 1.0, 0.01))
    known = table.assign(known=table["head"] == 2)
    (said,) = evidence.of_significance(known, "head", 0.05)
    assert said.startswith("Of the 1 cell by head that can differ from 0 over all items (1 more")
    assert "1 do at a family-wise" in said


def test_direct_contributions_beside_the_head_that_restores_most():
    rows = [
        ("embedding", None, None, 0.1),
        ("head", 1, 1, 0.4),
        ("head", 1, 2, -0.6),
        ("mlp", 1, None, 1.5),
        ("mlp", 2, None, -0.4),
    ]
    table = pd.DataFrame(rows, columns=["component", "layer", "head", "mean"])
    table = table.astype({"layer": "Int16", "head": "Int16"}).assign(
        negation="all", segment="all", n_items=230, share=table["mean"]
    )
    table["mean_ci_low"], table["mean_ci_high"] = table["mean"] - 0.1, table["mean"] + 0.1
    others = table.assign(negation="foil", mean=9.0)
    table = pd.concat([table, others], ignore_index=True)
    (said,) = of_contributions(table, None, 0.05)
    assert said == (
        "Directly into the score, of 2 MLPs that of block 1 writes most of d, 1.50 [1.40, 1.60] of"
        " 1.00 logits, and of 2 heads head 2 of block 1, -0.60 [-0.70, -0.50] (230 items)."
    )
    heads = effect_rows((1, 0.3, 0.01), (2, 0.9, 0.5)).assign(layer=1)
    (more,) = of_contributions(table, heads, 0.05)
    assert more == (
        f"{said} Head 1 of block 1, which restores most (0.30 [0.20, 0.40] of d), writes 0.40"
        " [0.30, 0.50] logits directly, 0.40 of the mean d."
    )
    assert of_contributions(table, heads.assign(p_fwer=0.5), 0.05) == [said]
    against = effect_rows((1, -0.3, 0.01)).assign(layer=1)
    assert of_contributions(table, against, 0.05) == [said]


def test_confirmation_in_words():
    confirmation = pd.DataFrame(
        [
            ("all", null, measure, full, found, drawn, p, 100)
            for null, p in (("random", 0.01), ("layer_matched", 0.2))
            for measure, full, found, drawn in (
                ("accuracy", 0.9, 0.6, 0.88),
                ("mean_d", 3.0, 1.0, 2.5),
            )
        ],
        columns=["negation", "null", "measure", "full", "found", "drawn_mean", "p", "n_sets"],
    ).assign(n_items=230, n_pairs=174)
    confirmation["difference"] = confirmation["found"] - confirmation["full"]
    for end, way in (("low", -0.125), ("high", 0.125)):
        confirmation[f"difference_ci_{end}"] = confirmation["difference"] + way
    ablations = pd.DataFrame(
        [("all", "found", 2, "1.2 3.4"), ("all", "random", 2, "1.1 1.3")],
        columns=["negation", "purpose", "k", "heads"],
    )
    said = evidence.of_confirmation(confirmation, ablations)
    assert "the 2 heads that restore most" in said[0]
    assert "(block.head: 1.2 3.4)" in said[0]
    assert "take the other half (230 items, 174 pairs) from 90.0% right to 60.0%" in said[0]
    assert "to 60.0% (-30.0% [-42.5%, -17.5%] of them) and from mean d 3.00 to 1.00" in said[0]
    assert said[0].endswith("1.00 (-2.00 [-2.12, -1.88]).")
    assert said[1].endswith("random heads leave mean d at 2.50 on average; one-sided p 0.01.")
    assert "layer-matched heads" in said[2]


def test_planted_cells_are_counted_with_false_alarms():
    planted = pd.DataFrame(
        {"site": "head", "planted": [True, True, False], "found": [True, False, True]}
    )
    assert evidence.of_planted(planted) == [
        "Positive control, site head: 2 of 3 cells are planted; 2 are found "
        "(interval above 0.1), 1 of them planted."
    ]


PLACEBO = {
    "donor": "placebo",
    "negation": "all",
    "segment": "all",
    "layer": 2,
    "head": 1.0,
    "role": "all",
    "p_fwer": 0.01,
    "beyond": 4.0,
    "beyond_ci_low": 3.5,
    "beyond_ci_high": 4.5,
    "difference": 4.5,
    "difference_donor": 0.5,
}


def test_effects_beyond_the_placebo_are_named_with_both_sides():
    less = PLACEBO | {"head": 2.0, "beyond": 5.0, "p_fwer": 0.3}
    against = PLACEBO | {"head": 3.0, "beyond": -5.0}
    selected = PLACEBO | {"head": 4.0, "beyond": 9.0, "segment": "correct"}
    table = pd.DataFrame([PLACEBO, less, against, selected])
    assert evidence.of_placebo(table, "head", 0.05) == [
        "Beyond its placebo, the negation does most by head at head 1 of block 2 "
        "(4.00 [3.50, 4.50] logits; negation 4.50, placebo 0.50)."
    ]
    assert evidence.of_placebo(table.assign(p_fwer=0.3), "head", 0.05) == [
        "By head, the negation does nothing significant beyond its placebo."
    ]
    assert evidence.of_placebo(table[3:], "head", 0.05) == []


def test_transfer_of_credible_cells_in_words():
    restoration = effect_rows((1, 0.3, 0.01), (2, 0.5, 0.01), (3, 0.4, 0.2))
    transfer = pd.DataFrame(
        {
            "donor": "transfer",
            "negation": "all",
            "segment": "all",
            "layer": 2,
            "head": [1, 2, 3],
            "role": "all",
            "share": [0.9, None, 0.2],
            "share_ci_low": [0.8, None, 0.1],
            "share_ci_high": [1.1, None, 0.3],
        }
    )
    (said,) = evidence.of_transfer(transfer, restoration, 0.05)
    assert said.endswith("(1: generic, 0: bound to its noun): head 1 of block 2 0.90 [0.80, 1.10].")
    assert evidence.of_transfer(transfer[1:], restoration, 0.05) == []


def test_the_family_of_sentences_is_counted():
    rows = [
        ("d", w, n, "head", "negate", p) for w in "ab" for n in ("foil", "all") for p in (0.1, 1)
    ]
    columns = ["dataset", "wording", "negation", "site", "direction", "p_study"]
    tests = pd.DataFrame([*rows, ("d", "a", "all", "resid", "negate", None)], columns=columns)
    said = evidence.of_family(tests, 0.05)
    assert "family-wise error of 5% over all 5 maps of this model in the study (8 cells;" in said


MINIMALITY = pd.DataFrame(
    {
        "layer": [1, 2, 3],
        "head": [2, 1, 4],
        "loss": [2.05, 0.11, -0.5],
        "loss_ci_low": [1.75, None, -0.7],
        "loss_ci_high": [2.35, None, -0.3],
        "p_fwer": [0.001, 0.075, 0.001],
        "n_pairs": 40,
    }
)


def test_heads_that_are_needed_are_counted_and_all_listed():
    said = evidence.of_minimality(MINIMALITY, 0.05)
    assert said.startswith("Heads of this set that are needed: 1 of 3 (")
    assert "on the 40 pairs that did not choose it" in said
    assert "1.2 adds 2.05 [1.75, 2.35] logits (p 0.001)" in said
    assert "2.1 adds 0.11 logits (p 0.075)" in said
    assert "3.4 adds -0.50 [-0.70, -0.30]" in said


def test_the_certificate_says_what_was_checked_and_on_how_many_pairs():
    table = pd.DataFrame(
        {
            "check": ["nothing moves", "it arrives", "it leaves", "no pair"],
            "cells": [9, 8, 7, 0],
            "computed": [0, 5, 4, 0],
            "largest": [0.0, 2e-6, 3.0, None],
            "smallest": [0.0, 0.0, 0.5, None],
            "tolerance": 1e-4,
            "passed": pd.array([True, True, True, None], dtype="boolean"),
            "n_pairs": 8,
        }
    )
    said = evidence.of_certificate(table)
    assert said.startswith("Certificate of the engine, on 8 pairs, passed: ")
    assert "nothing moves (9 values, 0 computed; exactly)" in said
    assert "it arrives (8 values, 5 computed; at most 2e-06 logits away)" in said
    assert "it leaves (7 values, 4 computed; at least 0.5 logits away)" in said
    assert said.endswith("no pair: no pair of the sample can show it.")
