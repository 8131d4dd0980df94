"""The models of a study in sentences, and as the page's script gets them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from negtrace.report.atlas import Atlas

GROUP = {"dataset": "shapes", "wording": "rephrased", "direction": "negate"}


def limits(name: str, value: float, reach: float = 0.1) -> dict[str, float]:
    return {name: value, f"{name}_ci_low": value - reach, f"{name}_ci_high": value + reach}


def row(model: str, arrives: float, heads: float) -> dict[str, object]:
    return {
        "model": model,
        **GROUP,
        **limits("arrives", arrives),
        **limits("effective_heads", heads),
    }


def match(head: int, model: str, identity: float, share: float) -> dict[str, object]:
    found = {
        "reference": "first",
        "reference_layer": 1,
        "reference_head": head,
        "layer": 3,
        "head": 4,
    }
    alike = limits("identity", identity, 0.05)
    return {"model": model, **GROUP, **found, **alike, "share": share, "mutual": True}


def cell(head: int, difference: float, p: float, known: bool = False) -> dict[str, object]:
    ratios = {"ratio_base": 0.1, "ratio": 0.1 + difference, "known": known, "n_items": 30}
    of = {
        "model": "other",
        "base": "first",
        "site": "head",
        "layer": 2,
        "head": head,
        "role": "all",
    }
    p_fwer = np.nan if known else p
    return {**GROUP, **of, **ratios, **limits("difference", difference), "p_fwer": p_fwer}


@pytest.fixture
def atlas() -> Atlas:
    return Atlas(
        rows=pd.DataFrame(
            [row("first", 0.5, 2.0), row("other", 0.25, 3.0), row("none", *2 * [np.nan])]
        ),
        matches=pd.DataFrame(
            [
                match(1, "other", 0.9, 0.99),
                match(2, "other", 0.9, 0.6),
                match(7, "other", 0.99, 1.0),
            ]
        ),
        named={("shapes", "rephrased", "negate"): [(1, 1), (1, 2)]},
        differences=pd.DataFrame(
            [
                cell(1, -0.4, 0.01),
                cell(2, 0.3, 0.04),
                cell(3, 0.1, 0.2),
                cell(4, 0.0, 1, known=True),
            ]
        ),
        alpha=0.05,
    )


def test_sentences_give_intervals_and_say_what_has_none(atlas):
    assert atlas.sentences == [
        "Half of the effect is at the end token at this fraction of the depth: other 0.25 [0.15,"
        " 0.35], first 0.50 [0.40, 0.60]; none can be given for none.",
        "The effect is spread over this many heads: first 2.00 [1.90, 2.10], other 3.00 [2.90,"
        " 3.10]; none can be given for none.",
        "Of 2 heads named in first, other has 1 that does the same: 1.1 in 3.4 (0.90 [0.85,"
        " 0.95]).",
        "other against first, by head: 2 of 3 cells differ (family-wise in the map, 0.05;"
        " 30 items), most at head 1 of block 2: 0.10 → -0.30, a difference of -0.40 [-0.50,"
        " -0.30].",
    ]


def test_the_page_gets_named_heads_and_what_is_sure_of_a_difference(atlas):
    data = atlas.data()
    assert data["matches"]["reference_head"] == [1, 2]
    (difference,) = data["differences"]
    assert (difference["model"], difference["base"], difference["sweep"]) == (
        "other",
        "first",
        "head.negate",
    )
    assert difference["small"]["values"] == [[-0.4], [0.3], [0.1], [0]]
    assert difference["small"]["sure"] == [[True], [True], [False], [True]]
    assert difference["said"] == atlas.sentences[-1]
    assert data["rows"]["arrives"] == [0.5, 0.25, None]


def test_of_many_models_the_ends_are_named(atlas):
    many = [row(f"m{number}", number / 10, 1 + number) for number in range(1, 9)]
    said = Atlas(pd.DataFrame(many), atlas.matches[:0], {}, atlas.differences[:0], 0.05).sentences
    assert len(said) == 2
    assert "of 8 models least and most: m1 0.10 [0.00, 0.20], m8 0.80 [0.70, 0.90]." in said[0]
