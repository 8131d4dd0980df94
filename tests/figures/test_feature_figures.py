"""Figures of features: the numbers of the tables, in their places."""

from __future__ import annotations

import hashlib

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from negtrace.analyses.features import accuracy_above_area
from negtrace.figures import features as drawn_by
from negtrace.figures.style import save

SETTINGS = {"width_cm": 18, "palette": "vlag", "annotate": True}

# Heads 1 and 2 x blocks 1 to 3: published by Quantmeyer et al. (2024) for blocks 10 to 12.
CORRELATIONS = {
    "foil": [[-0.0404, 0.165, 0.0295], [0.1752, 0.2034, 0.0329]],
    "caption": [[0.0468, -0.0349, -0.0641], [-0.0841, -0.0986, -0.0878]],
}


@pytest.fixture
def correlations() -> pd.DataFrame:
    rows = [
        {"negation": n, "layer": j + 1, "head": i + 1, "pearson": value, "n_items": 240}
        for n, grid in {**CORRELATIONS, "all": CORRELATIONS["foil"]}.items()
        for i, values in enumerate(grid)
        for j, value in enumerate(values)
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


@pytest.fixture
def features() -> pd.DataFrame:
    """In foils d = 2 - 10 (1 - similarity); captions share one pair but for three items."""
    similarity = [0.9, 0.92, 0.94, 0.96, *[0.95] * 4, 0.9, 0.92, 0.98]
    d = [1.0, 1.2, 1.4, 1.6, -2.0, 0.5, 3.0, 1.0, 2.0, 1.6, 0.4]
    area = [0.0, 0.1, 0.3, 0.5, *[0.0] * 7]
    return pd.DataFrame(
        {
            "item_id": [f"item{i}" for i in range(11)],
            "negation": ["foil"] * 4 + ["caption"] * 7,
            "no_people": [False] * 4 + [True] * 4 + [False] * 3,
            "d": d,
            "correct": [value > 0 for value in d],
            "caption_foil_similarity": similarity,
            "n_tokens": [7, 7, 8, 9, *[8] * 7],
            "subject_area": area,
            "subject_area_above": area,
        }
    )


def panels(figure: plt.Figure) -> dict[str, plt.Axes]:
    """The panels of the first row by negation."""
    found = [axis for axis in figure.axes if axis.get_title().startswith("negation in")]
    assert found
    return {axis.get_title().split()[2]: axis for axis in found}


def points(axis: plt.Axes) -> list[tuple[float, float]]:
    """What the first scatter of an axis shows."""
    return [(float(x), float(y)) for x, y in axis.collections[0].get_offsets()]


def lines(axis: plt.Axes, style: str) -> list[np.ndarray]:
    """Ends [2 points, x and y] of the black lines of one style that have any."""
    found = [line for line in axis.lines if line.get_color() == "black"]
    return [
        line.get_xydata()
        for line in found
        if line.get_linestyle() == style and len(line.get_xdata())
    ]


def test_correlation_map_shows_the_table_on_one_symmetric_scale(correlations):
    figure = drawn_by.selectivity_correlation_map(correlations, SETTINGS)
    for negation, axis in panels(figure).items():
        mesh = axis.collections[0]
        np.testing.assert_allclose(mesh.get_array().reshape(2, 3), CORRELATIONS[negation])
        assert mesh.get_clim() == (-0.2034, 0.2034)
        assert axis.get_title() == f"negation in {negation} (240 items)"
    assert list(panels(figure)) == ["foil", "caption"]


def test_correlation_map_leaves_undefined_heads_out(correlations):
    undefined = correlations["head"] == 2
    partly = correlations.assign(pearson=correlations["pearson"].mask(undefined))
    axis = panels(drawn_by.selectivity_correlation_map(partly, SETTINGS))["foil"]
    shown = np.ma.filled(axis.collections[0].get_array(), np.nan).reshape(2, 3)
    assert np.isnan(shown).tolist() == [[False] * 3, [True] * 3]
    assert [text.get_text() for text in axis.texts] == ["-0.04", "0.17", "0.03"]


def test_similarity_points_and_line(features):
    axes = panels(drawn_by.d_against_similarity(features, SETTINGS))
    foil = features[features["negation"] == "foil"]
    assert points(axes["foil"]) == list(
        zip(foil["caption_foil_similarity"], foil["d"], strict=True)
    )
    np.testing.assert_allclose(lines(axes["foil"], "-"), [[[0.9, 1.0], [0.96, 1.6]]])
    assert axes["foil"].get_title() == "negation in foil (4 items): r = 1.00"
    assert lines(axes["foil"], "--") == []


def test_similarity_marks_the_most_frequent_pair_and_fits_without_it(features):
    figure = drawn_by.d_against_similarity(features, SETTINGS)
    axis = panels(figure)["caption"]
    marked = axis.collections[1].get_offsets()
    assert sorted(marked[:, 1]) == [-2.0, 0.5, 1.0, 3.0]
    # 0.9, 0.92, 0.98 against 2, 1.6, 0.4 fall on a line of slope -20.
    np.testing.assert_allclose(lines(axis, "--"), [[[0.9, 2.0], [0.98, 0.4]]])
    captions = features[features["negation"] == "caption"]
    r = np.corrcoef(captions["caption_foil_similarity"], captions["d"])[0, 1]
    assert axis.get_title() == (
        f"negation in caption (7 items): r = {r:.2f}\nwithout the marked items: r = -1.00"
    )
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["There are no people.", "without them"]


def test_area_points_and_accuracy_curve(features):
    accuracy = accuracy_above_area(features, [0.0, 0.2, 0.6])
    figure = drawn_by.d_against_area(features, accuracy, SETTINGS)
    axes = panels(figure)
    assert [x for x, _ in points(axes["foil"])] == [0.0, 0.1, 0.3, 0.5]
    # No subject of a negated caption is in its image: nothing to correlate with.
    assert axes["caption"].get_title() == "negation in caption (7 items): r not defined"
    assert lines(axes["caption"], "-") == []
    curves = [axis for axis in figure.axes if axis.get_xlabel().startswith("least share")]
    shown = [axis.lines[0].get_xydata().tolist() for axis in curves]
    assert shown == [[[0.0, 1.0], [0.2, 1.0]], [[0.0, pytest.approx(6 / 7)]]]
    assert [[text.get_text() for text in axis.texts] for axis in curves] == [["4", "2"], ["7"]]
    assert [label.get_text() for label in curves[0].get_xticklabels()] == ["0", "0.2", "0.6"]


def test_items_without_an_area_are_not_counted(features):
    fewer = features.assign(subject_area=features["subject_area"].where(features.index != 3))
    axes = panels(drawn_by.d_against_area(fewer, accuracy_above_area(fewer), SETTINGS))
    assert axes["foil"].get_title().startswith("negation in foil (3 items): r = 0.98")


def test_tokens_are_whole_numbers(features):
    figure = drawn_by.d_against_tokens(features, SETTINGS)
    axis = panels(figure)["foil"]
    assert points(axis) == [(7.0, 1.0), (7.0, 1.2), (8.0, 1.4), (9.0, 1.6)]
    figure.canvas.draw()
    assert all(float(tick).is_integer() for tick in axis.get_xticks())


def test_a_place_that_the_negation_never_has_gets_no_panel(features, tmp_path):
    foil = features[features["negation"] == "foil"]
    accuracy = accuracy_above_area(foil)
    for figure in (
        drawn_by.d_against_similarity(foil, SETTINGS),
        drawn_by.d_against_area(foil, accuracy, SETTINGS),
        drawn_by.d_against_tokens(foil, SETTINGS),
    ):
        save(figure, tmp_path / "figure", ["png"], 50)
        assert set(panels(figure)) == {"foil"}


def test_absent_data_is_said_in_a_line(features, correlations):
    empty = features.assign(subject_area=np.nan, caption_foil_similarity=np.nan)
    figures = {
        "no subject sizes": drawn_by.d_against_area(empty, accuracy_above_area(empty), SETTINGS),
        "no item has a similarity": drawn_by.d_against_similarity(empty, SETTINGS),
        "no head's selectivity varies": drawn_by.selectivity_correlation_map(
            correlations.assign(pearson=np.nan), SETTINGS
        ),
        "no items": drawn_by.d_against_tokens(features.iloc[:0], SETTINGS),
    }
    for text, figure in figures.items():
        assert figure.axes == []
        assert figure.texts[0].get_text().startswith(text)


def test_the_same_table_gives_the_same_bytes_and_other_settings_others(features, tmp_path):
    def digest(width: float) -> str:
        figure = drawn_by.d_against_similarity(features, {**SETTINGS, "width_cm": width})
        save(figure, tmp_path / "figure", ["svg"], 50)
        return hashlib.sha256((tmp_path / "figure.svg").read_bytes()).hexdigest()

    assert digest(18) == digest(18)
    assert digest(18) != digest(16)
