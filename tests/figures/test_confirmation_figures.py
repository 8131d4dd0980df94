"""Figures of the confirmation: the numbers of the tables, in their places."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from negtrace.analyses.confirmation import confirmation, curves, set_means
from negtrace.analyses.head_sets import AblationSet
from negtrace.errors import InputError
from negtrace.figures.confirmation import (
    ablated_against_random,
    direct_against_total,
    faithfulness_curves,
)
from negtrace.figures.style import save

SETTINGS = {"width_cm": 18}

# (layer, head): direct shares of two roles, restoration.
HEADS = {
    (1, 1): (0.1, 0.2, 0.9),
    (1, 2): (0.0, 0.0, 0.01),
    (1, 3): (0.01, 0.0, 0.0),
    (2, 1): (-0.3, -0.1, -0.2),
    (2, 2): (0.2, 0.0, 0.2),
    (2, 3): (0.0, 0.05, 0.3),
}


@pytest.fixture
def maps() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Contributions by role and restoration of six heads; captions have the doubled values."""
    direct, total = [], []
    for negation, factor in (("foil", 1), ("caption", 2)):
        for segment in ("correct", "all"):
            group = {"negation": negation, "segment": segment, "n_items": 7 * factor}
            for (layer, head), (first, second, restored) in HEADS.items():
                place = {**group, "layer": layer, "head": head}
                total.append({**place, "mean": factor * restored})
                for role, share in (("edit", first), ("EOT", second)):
                    row = {**place, "component": "head", "role": role, "share": factor * share}
                    direct.append(row)
            direct.append({**group, "component": "mlp", "layer": 1, "share": 0.5})
    integers = {"layer": "Int16", "head": "Int16"}
    return pd.DataFrame(direct).astype(integers), pd.DataFrame(total).astype(integers)


@pytest.fixture
def means() -> pd.DataFrame:
    """Two items of each negation; d depends on the set alone, but is doubled in captions."""
    levels = {
        AblationSet("found", "signed", 2, ((1, 1), (2, 2))): -1.0,
        AblationSet("random", None, 2, ((1, 2), (2, 2))): 2.0,
        AblationSet("random", None, 2, ((1, 2), (2, 1))): 3.0,
        AblationSet("random", None, 2, ((1, 1), (2, 1))): -2.0,
        AblationSet("layer_matched", None, 2, ((1, 2), (2, 1))): 3.0,
    }
    for ranking, middle in (("signed", 2.0), ("absolute", 1.0)):
        for k, kept, removed in ((0, 0.0, 4.0), (1, middle, 1.0), (2, 4.0, 0.0)):
            levels[AblationSet("kept", ranking, k, ())] = kept
            levels[AblationSet("removed", ranking, k, ())] = removed
    rows = [
        {"set": number, "item_id": f"{negation}{i}", "pair_id": "p", "negation": negation, "d": d}
        for number, level in enumerate(levels.values())
        for negation, d in (("caption", 2 * level), ("foil", level))
        for i in range(2)
    ]
    return set_means(pd.DataFrame(rows), list(levels))


def by_negation(figure: plt.Figure) -> dict[str, plt.Axes]:
    titled = [axis for axis in figure.axes if axis.get_title().startswith("negation in")]
    return {axis.get_title().split()[2]: axis for axis in titled}


def lines(axis: plt.Axes, label: str) -> list[list[float]]:
    return [line.get_xydata().tolist() for line in axis.lines if line.get_label() == label]


def test_points_are_heads_with_roles_added_up(maps):
    figure = direct_against_total(*maps, SETTINGS)
    assert list(by_negation(figure)) == ["foil", "caption"]
    for (negation, axis), factor in zip(by_negation(figure).items(), (1, 2), strict=True):
        points = axis.collections[0].get_offsets()
        expected = [(first + second, total) for first, second, total in HEADS.values()]
        np.testing.assert_allclose(points, factor * np.array(expected))
        assert axis.get_title() == f"negation in {negation} ({7 * factor} items)"
        labels = {text.get_text(): text.xy for text in axis.texts}
        assert set(labels) == {"1.1", "2.1", "2.3", "2.2"}
        assert labels["1.1"] == pytest.approx((0.3 * factor, 0.9 * factor))
    assert figure.get_suptitle().endswith("correct items")


def test_an_empty_segment_shows_all_items(maps):
    direct, total = maps
    gone = (total["negation"] == "foil") & (total["segment"] == "correct")
    figure = direct_against_total(direct, total[~gone], SETTINGS)
    assert "all items (none is correct with the negation in foil)" in figure.get_suptitle()
    assert len(by_negation(figure)["foil"].collections[0].get_offsets()) == len(HEADS)


def test_maps_of_different_heads_are_refused(maps):
    direct, total = maps
    with pytest.raises(InputError, match="no head in common"):
        direct_against_total(direct, total.assign(layer=total["layer"] + 9), SETTINGS)


def test_found_set_stands_in_the_distribution_of_random_sets(means):
    figure = ablated_against_random(means, confirmation(means), SETTINGS)
    random, matched = (figure.axes[2], figure.axes[3])  # second row: mean d
    for axis, drawn in ((random, [3.0, 4.5, -3.0]), (matched, [4.5])):
        counts = [bar.get_height() for bar in axis.patches]
        lefts = [bar.get_x() for bar in axis.patches]
        width = axis.patches[0].get_width()
        assert sum(counts) == len(drawn)
        for value in drawn:
            inside = [x <= value <= x + width * 1.001 for x in lefts]
            assert any(c > 0 and i for c, i in zip(counts, inside, strict=True))
        assert {x for x, _ in lines(axis, "found set")[0]} == {-1.5}
        assert {x for x, _ in lines(axis, "nothing ablated")[0]} == {6.0}
    assert random.get_xlabel() == "mean d (p = 0.5)"
    assert figure.axes[0].get_xlabel() == "accuracy (p = 0.5)"
    assert figure.axes[0].get_title() == "any heads (random sets: 3)"
    assert figure.axes[1].get_title() == "heads of the same blocks (random sets: 1)"
    assert "(1.1 2.2) in 4 items" in figure.get_suptitle()


def test_curves_show_both_rankings(means):
    figure = faithfulness_curves(curves(means), SETTINGS)
    for column in (0, 1):
        faithfulness, completeness = figure.axes[column], figure.axes[2 + column]
        assert lines(faithfulness, "signed ranking") == [[[0, 0], [1, 0.5], [2, 1]]]
        assert lines(faithfulness, "absolute ranking") == [[[0, 0], [1, 0.25], [2, 1]]]
        assert lines(completeness, "signed ranking") == [[[0, 1], [1, 0.25], [2, 0]]]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["signed ranking", "absolute ranking"]
    figure.canvas.draw()
    assert [text.get_text() for text in figure.axes[2].get_xticklabels()] == ["0", "1", "2"]


def test_undefined_curves_are_said_in_a_line(means):
    flat = means.assign(mean_d=1.0)
    figure = faithfulness_curves(curves(flat), SETTINGS)
    assert "does not change the mean d" in figure.texts[0].get_text()


def test_same_tables_give_the_same_bytes(maps, means, tmp_path):
    for name in ("first", "second"):
        figures = {
            "direct": direct_against_total(*maps, SETTINGS),
            "random": ablated_against_random(means, confirmation(means), SETTINGS),
            "curves": faithfulness_curves(curves(means), SETTINGS),
        }
        for stem, figure in figures.items():
            save(figure, tmp_path / name / stem, ["svg"], 50)
    for stem in figures:
        first, second = (tmp_path / name / f"{stem}.svg" for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
