"""Sentences name what the tables say, and change with them.

Numbers are published ones of Quantmeyer et al. (2024) for correctly classified items.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from conftest import effect_rows

from negtrace.report import cautions, findings, routes
from negtrace.vocabulary import SITES

ALPHA = 0.05

# Hidden states 0, 3, 4, 6, 8, 9, 12 of the paper, under their own numbers.
STATES = [0, 3, 4, 6, 8, 9, 12]
CTE = {
    "foil": {
        "SOT": [0.0] * 7,
        "determiner": [1.0, 0.6928, 0.1816, 0.0978, 0.0646, 0.049, 0.0],
        "subject_first": [0.0, 0.1479, 0.166, 0.0875, 0.035, 0.0058, 0.0],
        "full_stop": [0.0, 0.074, 0.3645, 0.2927, 0.1907, 0.1278, 0.0],
        "EOT": [0.0, 0.0109, 0.1937, 0.2926, 0.4471, 0.593, 1.0],
    },
    "caption": {
        "SOT": [0.0] * 7,
        "determiner": [1.0, 0.48, 0.0374, 0.0413, 0.0204, 0.0235, 0.0],
        "subject_first": [0.0, 0.4412, 0.6023, 0.3969, 0.3049, 0.1654, 0.0],
        "full_stop": [0.0, 0.0263, 0.3537, 0.4475, 0.4127, 0.2958, 0.0],
        "EOT": [0.0, -0.0156, 0.1292, 0.3112, 0.4328, 0.6781, 1.0],
    },
}

# (block, head): selectivity in foil, in caption.
SELECTIVITY = {
    (4, 2): (0.377, 0.3852),
    (4, 3): (0.2308, 0.2413),
    (3, 6): (0.2337, 0.1983),
    (10, 2): (0.158, 0.1323),
    (5, 6): (0.0089, 0.0006),
}

ITEMS = {"foil": 81, "caption": 72, "all": 153}


def with_all(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Add rows for both negations together, and the columns that every map has."""
    weighted = frame.assign(mean=frame["mean"] * frame["negation"].map(ITEMS))
    overall = weighted.groupby(keys, as_index=False)["mean"].sum()
    overall["mean"] /= sum(ITEMS[n] for n in frame["negation"].unique())
    table = pd.concat([frame, overall.assign(negation="all")], ignore_index=True)
    return table.assign(n_items=table["negation"].map(ITEMS), segment="all")


def cte() -> pd.DataFrame:
    rows = [
        (negation, role, state, value)
        for negation, roles in CTE.items()
        for role, values in roles.items()
        for state, value in zip(STATES, values, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["negation", "role", "layer", "mean"])
    return with_all(frame, ["role", "layer"])


def heads(values: dict[tuple[int, int], tuple[float, float]]) -> pd.DataFrame:
    rows = [
        (negation, layer, head, value)
        for (layer, head), pair in values.items()
        for negation, value in zip(("foil", "caption"), pair, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["negation", "layer", "head", "mean"])
    return with_all(frame, ["layer", "head"])


@pytest.fixture
def accuracy() -> pd.DataFrame:
    rows = [("foil", 240, 140, 0.7042, 0.6), ("caption", 250, 150, 0.668, 0.4)]
    rows.append(("all", 490, 280, 0.6857, 0.5179))
    columns = ["negation", "n_items", "n_pairs", "accuracy", "mean_d"]
    limits = dict(
        accuracy_ci_low=0.61, accuracy_ci_high=0.752, mean_d_ci_low=0.3, mean_d_ci_high=0.9
    )
    return pd.DataFrame(rows, columns=columns).assign(**limits)


def test_accuracy_with_numbers_of_items_and_pairs(accuracy):
    overall, foil, caption = findings.of_accuracy(accuracy)
    assert overall.startswith("490 items over 280 distinct pairs")
    assert "68.6%" in overall
    assert foil == (
        "Negation in the foil: 70.4% [61.0%, 75.2%] of 240 items (140 pairs) are right; mean d is"
        " 0.60 [0.30, 0.90]."
    )
    few = findings.of_accuracy(accuracy.assign(mean_d_ci_low=np.nan, mean_d_ci_high=np.nan))
    assert few[1].endswith("mean d is 0.60.")
    assert "66.8% [61.0%, 75.2%] of 250 items (150 pairs)" in caption
    assert "cluster" not in overall
    linked = accuracy.assign(n_clusters=accuracy["n_pairs"] // 2)
    assert "280 distinct pairs of sentences, in 140 clusters of" in findings.of_accuracy(linked)[0]
    alone = accuracy.assign(n_clusters=accuracy["n_pairs"])
    assert findings.of_accuracy(alone)[0] == overall
    one = accuracy[accuracy["negation"] != "foil"]
    assert len(findings.of_accuracy(one)) == 2


def test_the_route_of_the_paper():
    foil, caption = routes.of_resid(cte(), ALPHA)
    assert "determiner is below one half from hidden state 4 on (0.18 there)" in foil
    assert "of the other tokens, full_stop carries most (0.36 at hidden state 4)" in foil
    assert "EOT holds at least half of the effect from hidden state 9 on (0.59 there)" in foil
    assert "determiner is below one half from hidden state 3 on (0.48 there)" in caption
    assert "subject_first carries most (0.60 at hidden state 4)" in caption


def change(table: pd.DataFrame, negation: str, role: str, layer: int, value: float) -> pd.DataFrame:
    cell = (table["negation"] == negation) & (table["role"] == role) & (table["layer"] == layer)
    assert cell.sum() == 1
    return table.assign(mean=table["mean"].mask(cell, value))


def test_the_route_follows_the_table():
    table = change(cte(), "foil", "determiner", 8, 0.7)
    table = change(table, "foil", "subject_first", 6, 0.9)
    table = change(table, "foil", "EOT", 3, 0.8)
    foil, caption = routes.of_resid(table, ALPHA)
    assert "below one half from hidden state 9 on (0.05 there)" in foil
    assert "subject_first carries most (0.90 at hidden state 6)" in foil
    assert "EOT holds at least half of the effect from hidden state 9 on" in foil
    assert caption == routes.of_resid(cte(), ALPHA)[1]


def test_an_effect_that_no_token_carries_is_not_attributed_to_one():
    table = cte()
    between = table["role"].isin(["subject_first", "full_stop"])
    table = table.assign(mean=table["mean"].mask(between, table["mean"] / 10))
    foil, caption = routes.of_resid(table, ALPHA)
    assert "no other token but EOT carries 0.1 or more (highest 0.04)" in foil
    assert "no other token but EOT carries 0.1 or more (highest 0.06)" in caption


def test_an_effect_that_never_arrives():
    table = change(cte(), "foil", "EOT", 12, 0.2)
    table = change(table, "foil", "determiner", 12, 0.8)
    foil = routes.of_resid(table, ALPHA)[0]
    assert "EOT does not hold half of the effect at the end" in foil
    assert "does not fall below one half for good" in foil


def test_the_general_schema_speaks_of_the_edit():
    table = cte()
    renamed = table["role"].replace({"determiner": "edit", "full_stop": "shared_after"})
    foil = routes.of_resid(table.assign(role=renamed), ALPHA)[0]
    assert "restoration at the edit is below one half from hidden state 4 on" in foil
    assert "shared_after carries most" in foil


@pytest.mark.parametrize(
    ("holds", "first"),
    [([False, True, True], 7), ([True, False, True], 9), ([True] * 3, 3), ([True, False], None)],
)
def test_lasting_conditions(holds, first):
    assert routes.lasting(pd.Series(holds, index=[3, 7, 9][: len(holds)])) == first


def test_heads_are_named_in_order_with_their_numbers():
    (sentence,) = findings.of_heads(heads(SELECTIVITY), "selectivity", ALPHA)
    assert sentence == (
        "Highest mean selectivity (all items):"
        " head 2 of block 4 (0.38; foil 0.38, caption 0.39);"
        " head 3 of block 4 (0.24; foil 0.23, caption 0.24);"
        " head 6 of block 3 (0.22; foil 0.23, caption 0.20)."
    )
    (changed,) = findings.of_heads(heads({**SELECTIVITY, (5, 6): (0.9, 0.7)}), "selectivity", ALPHA)
    assert changed.startswith("Highest mean selectivity (all items): head 6 of block 5 (0.81;")
    assert "head 6 of block 3" not in changed


def test_heads_below_the_threshold_are_not_named_as_high():
    (sentence,) = findings.of_heads(
        heads({**SELECTIVITY, (4, 3): (0.05, 0.05), (3, 6): (0.0, 0.0), (10, 2): (0.0, 0.0)}),
        "selectivity",
        ALPHA,
    )
    assert "head 2 of block 4" in sentence
    assert "head 3 of block 4" not in sentence


def test_without_a_notable_head_none_is_claimed():
    table = heads({cell: (0.02, 0.03) for cell in SELECTIVITY} | {(5, 6): (0.05, 0.05)})
    (sentence,) = findings.of_heads(table, "restoration", ALPHA)
    assert sentence == ("No single head has a mean restoration of 0.1 or more (all items).")
    assert findings.of_overlap(table, heads(SELECTIVITY), ALPHA) == []


def test_a_head_that_works_against_the_effect_is_named():
    table = heads({**SELECTIVITY, (5, 6): (-0.4, -0.2)})
    sentences = findings.of_heads(table, "restoration", ALPHA)
    assert sentences[1] == (
        "Most negative mean restoration: head 6 of block 5 (-0.31; foil -0.40, caption -0.20)."
    )


def test_overlap_of_restoring_and_selective_heads():
    restoring = heads({(4, 2): (0.5, 0.4), (7, 1): (0.3, 0.3), (9, 4): (0.2, 0.2)})
    (sentence,) = findings.of_overlap(restoring, heads(SELECTIVITY), ALPHA)
    assert sentence == "Named for both restoration and selectivity: head 2 of block 4."
    apart = heads({(4, 4): (0.5, 0.4), (7, 1): (0.3, 0.3), (3, 6): (0.01, 0.0)})
    (sentence,) = findings.of_overlap(apart, heads(SELECTIVITY), ALPHA)
    assert sentence.startswith("None of the heads")


def items(foil: list[float], caption: list[float]) -> pd.DataFrame:
    frame = pd.DataFrame(
        [("foil", value) for value in foil] + [("caption", value) for value in caption],
        columns=["negation", "d"],
    )
    kinds = frame["d"].map(lambda d: "correct" if d >= 1 else "ambiguous")
    return frame.assign(segment=kinds)


def correct_cte() -> pd.DataFrame:
    return pd.concat([cte(), cte().assign(segment="correct")], ignore_index=True)


def test_no_caution_for_a_well_filled_segment():
    shown = items([2.0] * 81 + [0.01], [2.0] * 72)
    assert cautions.of_cautions(correct_cte(), "correct", shown) == []


def test_caution_for_few_items():
    table = correct_cte()
    table["n_items"] = table["n_items"].mask(table["negation"] == "foil", 25)
    few = table["n_items"].mask(table["negation"] == "caption", 19)
    (sentence,) = cautions.of_cautions(table.assign(n_items=few), "correct")
    assert sentence == (
        "Caution: the maps average only 19 correct items with the negation in the caption."
    )
    enough = table["n_items"].mask(table["negation"] == "caption", 20)
    assert cautions.of_cautions(table.assign(n_items=enough), "correct") == []


def test_caution_for_another_segment_with_denominators_near_zero():
    table = pd.concat([cte().assign(segment="correct"), cte()])
    lacking = table[~((table["segment"] == "correct") & (table["negation"] == "foil"))]
    shown = items([0.05, -0.09, 0.1, 0.5], [3.0])
    fallback, ratio = cautions.of_cautions(lacking, "correct", shown)
    assert fallback == ("The maps show all items (none is correct with the negation in foil).")
    assert "|d| is below 0.1 in 2 of 5 items" in ratio


def test_headline(accuracy):
    restoring = heads({(4, 2): (0.5, 0.4), (7, 1): (0.3, 0.3)})
    assert findings.headline(accuracy, cte(), restoring, ALPHA) == (
        "The caption scores higher than the foil in 68.6% [61.0%, 75.2%] of 490 items. The effect"
        " of the negation is mostly off the determiner from hidden state 4 on, shows at"
        " subject_first with up to 0.37 (hidden state 4) and is mostly at EOT from hidden state 9"
        " on. The head that restores most is head 2 of block 4 (0.45)."
    )
    assert findings.headline(accuracy, None, None, ALPHA) == (
        "The caption scores higher than the foil in 68.6% [61.0%, 75.2%] of 490 items."
    )


def test_nothing_is_called_significant(accuracy):
    table = heads(SELECTIVITY)
    said = [
        *findings.of_accuracy(accuracy),
        *routes.of_resid(cte(), ALPHA),
        *findings.of_heads(table, "restoration", ALPHA),
        *findings.of_overlap(table, table, ALPHA),
        findings.headline(accuracy, cte(), table, ALPHA),
    ]
    assert len(said) == 8
    assert not [sentence for sentence in said if "significan" in sentence]


def test_the_ratio_of_means_is_the_headline_with_its_interval():
    table = effect_rows((1, 0.3, 0.01), (2, 0.5, 0.01))
    assert findings.of_heads(table, "restoration", ALPHA) == [
        "Highest mean restoration (all items): head 2 of block 2 (0.50 [0.40, 0.60]); "
        "head 1 of block 2 (0.30 [0.20, 0.40])."
    ]


def test_segments_have_no_say():
    table = effect_rows((1, 0.3, 0.01), (2, 0.5, 0.01))
    turned = table.assign(
        ratio=table["ratio"].where(table["segment"] == "all", 9.0),
        p_fwer=table["p_fwer"].where(table["segment"] == "all", 0.9),
    )
    for said, what in (
        (findings.of_heads, "restoration"),
        (findings.of_blocks, SITES["mlp_out"]),
    ):
        assert said(turned, what, ALPHA) == said(table, what, ALPHA)


def test_what_is_not_significant_is_not_named(accuracy):
    table = effect_rows((1, 0.3, 0.2), (2, 0.5, 0.06), (3, -0.6, 0.2))
    assert findings.of_heads(table, "restoration", ALPHA) == [
        "No single head has a significant mean restoration of 0.1 or more (all items)."
    ]
    assert findings.of_blocks(table, SITES["mlp_out"], ALPHA) == [
        "No MLP output at a single token has a significant mean restoration of 0.1 or more"
        " (all items)."
    ]
    assert "No single head restores 0.1" in findings.headline(accuracy, None, table, ALPHA)
    assert findings.of_overlap(table, heads(SELECTIVITY), ALPHA) == []
    for head in ("head 1", "head 2", "head 3"):
        assert head not in findings.headline(accuracy, None, table, ALPHA)


def test_the_study_wide_family_and_the_placebo_decide_where_they_are_there():
    table = effect_rows((1, 0.3, 0.01), (2, 0.5, 0.01), (3, 0.4, 0.01))
    of_study = table.assign(p_study=table["head"].map({1: 0.2, 2: 0.04, 3: 0.04}))
    beyond = of_study.assign(exceeds_placebo=table["head"] != 2)
    assert [h.number for h in findings.top_heads(table, ALPHA)] == [2, 3, 1]
    assert [h.number for h in findings.top_heads(of_study, ALPHA)] == [2, 3]
    assert [h.number for h in findings.top_heads(beyond, ALPHA)] == [3]


def unbounded(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(ratio=2.35, ratio_ci_low=float("nan"), ratio_ci_high=float("nan"))


def test_a_null_model_is_said_to_show_nothing(accuracy):
    """Its pooled d cancels: a ratio of 2.35 without limits is no finding."""
    table = unbounded(effect_rows((1, 2.35, 0.56), (2, 0.5, 0.7)))
    resid = cte().assign(ratio=cte()["mean"], ratio_ci_low=0.0, ratio_ci_high=1.0, p_fwer=0.6)
    of_both = resid["negation"] == "all"
    resid = pd.concat([resid[~of_both], unbounded(resid[of_both])])
    edge = {"role": ["determiner", "EOT"], "layer": [0, 12], "ratio": 1.0, "known": True}
    ends = pd.DataFrame(edge).assign(negation="all", segment="all", n_items=153, p_fwer=None)
    ends = ends.assign(ratio_ci_low=1.0, ratio_ci_high=1.0)
    at_ends = resid["layer"].isin([0, 12]) & (resid["negation"] == "all")
    resid = pd.concat([resid[~at_ends].assign(known=False), ends], ignore_index=True)
    said = [
        findings.headline(accuracy, resid, table, ALPHA),
        *findings.of_heads(table, "restoration", ALPHA),
        *findings.of_blocks(table, SITES["mlp_out"], ALPHA),
        *routes.of_resid(resid, ALPHA),
    ]
    assert len(said) == 4
    assert all("no effect of the negation was found" in sentence for sentence in said)
    assert not any("2.35" in sentence or "head 1" in sentence for sentence in said)


def significant_cte(alpha: float = 0.01) -> pd.DataFrame:
    table = cte()
    return table.assign(
        ratio=table["mean"],
        ratio_ci_low=table["mean"] - 0.1,
        ratio_ci_high=table["mean"] + 0.1,
        p_fwer=alpha,
        known=False,
    )


def test_a_route_is_made_of_credible_cells():
    table = significant_cte()
    said = [re.sub(r" \[.*?\]", "", sentence) for sentence in routes.of_resid(table, ALPHA)]
    assert said == routes.of_resid(cte(), ALPHA)
    peak = (table["role"] == "full_stop") & (table["layer"] == 4) & (table["negation"] == "foil")
    foil = routes.of_resid(table.assign(p_fwer=table["p_fwer"].mask(peak, 0.2)), ALPHA)[0]
    assert "full_stop carries most (0.29 [0.19, 0.39] at hidden state 6)" in foil
    late = (table["role"] == "EOT") & (table["layer"] == 9) & (table["negation"] == "foil")
    foil = routes.of_resid(table.assign(p_fwer=table["p_fwer"].mask(late, 0.2)), ALPHA)[0]
    assert "EOT holds at least half of the effect from hidden state 12 on" in foil
    (nothing,) = routes.of_resid(table.assign(p_fwer=0.2), ALPHA)
    assert "no route is described" in nothing


def test_a_negation_whose_d_may_be_0_has_no_shares():
    table = significant_cte()
    of_foil = table["negation"] == "foil"
    table = pd.concat([table[~of_foil], unbounded(table[of_foil])])
    foil, caption = routes.of_resid(table, ALPHA)
    assert foil == "Negation in the foil: its mean d may be 0, no share is given."
    assert "EOT holds at least half" in caption


def test_caution_for_a_preference_that_does_not_cancel():
    table = correct_cte()
    one_sided = table.assign(n_items=table["n_items"].mask(table["negation"] == "foil", 20))
    (sentence,) = cautions.of_cautions(one_sided, "correct")
    assert "the negation is in the caption in 78% of 92 items" in sentence
    # As under the contrast caption, which has no other side.
    alone = table[table["negation"] != "foil"]
    (sentence,) = cautions.of_cautions(alone, "correct")
    assert "the negation is in the caption in 100% of 72 items" in sentence


def test_caution_for_few_clusters_of_equal_size():
    few = correct_cte().assign(few_clusters=True, n_effective=17.4)
    (sentence,) = cautions.of_cautions(few, "correct")
    assert "few as 17 clusters (all items), 17 clusters (negation in the foil) and 17" in sentence
    one = few.assign(few_clusters=few["negation"] == "foil")
    (sentence,) = cautions.of_cautions(one, "correct")
    assert "as few as 17 clusters (negation in the foil) of equal size" in sentence
    assert cautions.of_cautions(few.assign(few_clusters=False), "correct") == []
