"""The specification curve, drawn: ranks above, the choices of each specification below."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from negtrace.figures.specification import choice_rows, specification_figure
from negtrace.statistics.specification import CHOICES, specification_curve

SETTINGS = {"width_cm": 18}
HEADS = [(1, 2), (2, 1)]


@pytest.fixture
def curve() -> pd.DataFrame:
    """Four heads in two wordings and two segments; all else is done in one way."""
    rng = np.random.default_rng(0)
    rows = [
        (wording, "negate", "own pair", "all", segment, 0, block, head, *rng.random(2))
        for wording in ("rephrased", "standard")
        for segment in ("all", "correct")
        for block in (1, 2)
        for head in (1, 2)
    ]
    columns = [*CHOICES, "layer", "head", "ratio", "mean"]
    return specification_curve(pd.DataFrame(rows, columns=columns), HEADS)


def test_every_rank_has_a_point_of_its_heads_kind(curve):
    figure = specification_figure(curve, SETTINGS)
    ranks, choices = figure.axes
    drawn = {points.get_label(): points.get_offsets() for points in ranks.collections}
    assert set(drawn) == {"1.2", "2.1"}
    for (block, head), part in curve.groupby(["layer", "head"]):
        expected = part[["specification", "rank"]].to_numpy()
        np.testing.assert_array_equal(drawn[f"{block}.{head}"], expected)
    assert len({tuple(points.get_facecolor()[0]) for points in ranks.collections}) == 2
    assert ranks.get_ylabel() == "rank of 4 heads"
    assert ranks.get_ylim()[0] > ranks.get_ylim()[1]  # rank 1 is on top
    assert "8 specifications" in figure.get_suptitle()
    labels = [text.get_text() for text in choices.get_yticklabels()]
    for label, points in zip(labels, choices.collections, strict=True):
        name, value = label.split()
        made = curve.loc[curve[name] == value, "specification"].drop_duplicates()
        assert sorted(points.get_offsets()[:, 0]) == sorted(made)


def test_choices_that_all_specifications_share_are_left_out(curve):
    assert list(choice_rows(curve)) == [
        *("effect mean", "effect ratio", "wording rephrased", "wording standard"),
        *("segment all", "segment correct"),
    ]


def test_without_a_named_head_nothing_is_drawn_but_a_note(curve):
    figure = specification_figure(curve[:0], SETTINGS)
    assert not figure.axes
    assert "no head is named" in figure.texts[0].get_text()
