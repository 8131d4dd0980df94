"""What is drawn: the numbers of the tables, in their places.

Tables hold values published by Quantmeyer et al. (2024) for correctly classified items.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from negtrace.errors import InputError
from negtrace.figures import attention
from negtrace.figures import histogram_of_d as histogram
from negtrace.figures import maps as figures
from negtrace.figures.shown import available_segment
from negtrace.figures.style import save
from negtrace.vocabulary import SITES

ROLES = [
    "SOT",
    "there",
    "be",
    "determiner",
    "subject_first",
    "subject_rest",
    "full_stop",
    "EOT",
]
SETTINGS = {"segment": "correct", "annotate": False, "attention_layer": "auto"}
THRESHOLDS = {"incorrect_below": -1.0, "correct_from": 1.0}

# Columns: hidden states 0, 3, 4, 6, 9, 12 of the paper, renumbered 0..5; rows from the determiner.
CTE = {
    "foil": [
        [1.0, 0.6928, 0.1816, 0.0978, 0.049, 0.0],
        [0.0, 0.1479, 0.166, 0.0875, 0.0058, 0.0],
        [0.0, 0.063, 0.1063, 0.0853, 0.0167, 0.0],
        [0.0, 0.074, 0.3645, 0.2927, 0.1278, 0.0],
        [0.0, 0.0109, 0.1937, 0.2926, 0.593, 1.0],
    ],
    "caption": [
        [1.0, 0.48, 0.0374, 0.0413, 0.0235, 0.0],
        [0.0, 0.4412, 0.6023, 0.3969, 0.1654, 0.0],
        [0.0, 0.103, 0.1865, 0.1657, 0.0753, 0.0],
        [0.0, 0.0263, 0.3537, 0.4475, 0.2958, 0.0],
        [0.0, -0.0156, 0.1292, 0.3112, 0.6781, 1.0],
    ],
}

# Heads 1..4 x blocks 3..6 of the paper's selectivity, renumbered 1..4.
SELECTIVITY = {
    "foil": [
        [0.0227, 0.0099, 0.0509, 0.0248],
        [0.0203, 0.377, 0.1016, -0.0005],
        [0.078, 0.2308, -0.0026, 0.0318],
        [0.0554, -0.0011, 0.0023, -0.0001],
    ],
    "caption": [
        [0.0213, -0.0037, 0.0678, 0.0179],
        [0.0154, 0.3852, 0.0762, -0.0018],
        [0.073, 0.2413, -0.0106, 0.0232],
        [0.0301, -0.0011, 0.0045, -0.0004],
    ],
}

ITEMS = {"foil": 81, "caption": 72, "all": 153}


def whole(grids: dict[str, list]) -> dict[str, np.ndarray]:
    """The grids with their mean over items as negation all."""
    arrays = {negation: np.array(grid) for negation, grid in grids.items()}
    overall = sum(ITEMS[n] * grid for n, grid in arrays.items()) / ITEMS["all"]
    return {**arrays, "all": overall}


def tidy(
    grids: dict[str, list],
    rows: tuple[str, list],
    columns: tuple[str, list],
    segment: str = "correct",
    **constants: object,
) -> pd.DataFrame:
    """A map table from one grid per negation; rows are shuffled, as their order must not matter."""
    records = [
        {
            "negation": negation,
            "segment": segment,
            rows[0]: row,
            columns[0]: column,
            "mean": grid[i, j],
            "sd": abs(grid[i, j]) / 2,
            "n": ITEMS[negation],
            "n_items": ITEMS[negation],
            "n_pairs": ITEMS[negation] // 2,
            **constants,
        }
        for negation, grid in whole(grids).items()
        for i, row in enumerate(rows[1])
        for j, column in enumerate(columns[1])
    ]
    return pd.DataFrame(records).sample(frac=1, random_state=0, ignore_index=True)


def cte_table(segment: str = "correct", factor: float = 1.0) -> pd.DataFrame:
    padded = {n: factor * np.vstack([np.zeros((3, 6)), grid]) for n, grid in CTE.items()}
    constants = {"site": "resid", "direction": "negate", "head": None}
    return tidy(padded, ("role", ROLES), ("layer", list(range(6))), segment, **constants)


def head_table(segment: str = "correct") -> pd.DataFrame:
    heads = list(range(1, 5))
    return tidy(SELECTIVITY, ("head", heads), ("layer", heads), segment)


def drawn(axis: plt.Axes) -> np.ndarray:
    """The array of a heat map, rows from above."""
    mesh = axis.collections[0]
    array = np.ma.filled(mesh.get_array().astype(float), np.nan)
    return array.reshape(len(axis.get_yticks()), -1)


def row_names(axis: plt.Axes) -> list[str]:
    return [label.get_text() for label in axis.get_yticklabels()]


def frames(axis: plt.Axes) -> set[tuple[int, int]]:
    """(row, column) of framed cells."""
    boxes = [p for p in axis.patches if isinstance(p, Rectangle) and not p.get_fill()]
    return {(int(box.get_y()), int(box.get_x())) for box in boxes}


def heat_axes(figure: plt.Figure) -> dict[str, plt.Axes]:
    found = [axis for axis in figure.axes if axis.get_title().startswith("negation in")]
    assert found
    return {axis.get_title().split()[2]: axis for axis in found}


def test_cte_map_shows_the_table_with_roles_in_sentence_order():
    figure = figures.cte_map(cte_table(), {**SETTINGS, "annotate": True})
    panels = heat_axes(figure)
    assert row_names(panels["foil"]) == ROLES
    for negation, axis in panels.items():
        np.testing.assert_allclose(drawn(axis)[3:], CTE[negation])
        np.testing.assert_array_equal(drawn(axis)[:3], 0)
        assert axis.get_title() == f"negation in {negation} ({ITEMS[negation]} items)"
    assert figure.get_suptitle().endswith(": correct items")
    written = {text.get_text() for text in panels["caption"].texts}
    assert {"0.60", "-0.02", "0", "1.00"} <= written


def test_panels_share_one_scale_around_zero():
    for axis in heat_axes(figures.cte_map(cte_table(factor=0.3), SETTINGS)).values():
        assert axis.collections[0].get_clim() == (-1.0, 1.0)
    limits = [a.collections[0].get_clim() for a in heat_axes(selectivity()).values()]
    assert limits == [(-0.3852, 0.3852)] * 2


def test_values_beyond_the_scale_point_the_colour_bar():
    def colour_bar(factor: float) -> plt.Axes:
        figure = figures.cte_map(cte_table(factor=factor), SETTINGS)
        return next(a for a in figure.axes if a.get_ylabel() == "mean of ratios")

    assert colour_bar(1.0)._colorbar.extend == "neither"
    assert colour_bar(3.0)._colorbar.extend == "max"


def test_bars_are_standard_deviations_of_roles_that_vary():
    figure = figures.cte_map(cte_table(), SETTINGS)
    below = [axis for axis in figure.axes if axis.get_xlabel() == "hidden state"]
    for axis, negation in zip(below, ("foil", "caption"), strict=True):
        bars = {c.get_label(): c.datavalues for c in axis.containers}
        assert list(bars) == ROLES[3:]
        np.testing.assert_allclose(bars["full_stop"], np.abs(CTE[negation][3]) / 2)
        colours = {c.get_label(): c.patches[0].get_facecolor() for c in axis.containers}
        assert len(set(colours.values())) == len(colours)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ROLES[3:]


def test_a_role_has_the_same_colour_in_both_panels_even_if_others_are_missing_in_one():
    table = cte_table()
    table = table[~((table["role"] == "determiner") & (table["negation"] == "foil"))]
    figure = figures.cte_map(table, SETTINGS)
    below = [axis for axis in figure.axes if axis.get_xlabel() == "hidden state"]
    foil, caption = (
        {c.get_label(): c.patches[0].get_facecolor() for c in axis.containers} for axis in below
    )
    assert "determiner" not in foil
    assert foil.items() < caption.items()
    determiner = drawn(heat_axes(figure)["foil"])[3]
    assert np.isnan(determiner).all()


def test_roles_of_the_general_schema():
    roles = ["SOT", "shared_before", "edit", "shared_after", "EOT"]
    table = tidy(CTE, ("role", roles), ("layer", list(range(6)))).assign(site="resid")
    axis = heat_axes(figures.cte_map(table, SETTINGS))["foil"]
    assert row_names(axis) == roles
    np.testing.assert_allclose(drawn(axis), CTE["foil"])


def test_an_empty_segment_falls_back_to_all_items_and_says_so():
    table = pd.concat([cte_table("correct"), cte_table("all", factor=0.5)])
    assert available_segment(table, "correct") == "correct"
    lacking = table[~((table["segment"] == "correct") & (table["negation"] == "foil"))]
    assert available_segment(lacking, "correct") == "all"
    figure = figures.cte_map(lacking, SETTINGS)
    assert figure.get_suptitle().endswith("all items (none is correct with the negation in foil)")
    np.testing.assert_allclose(
        drawn(heat_axes(figure)["caption"])[3:], np.array(CTE["caption"]) / 2
    )


def test_a_data_set_with_one_kind_of_negation_keeps_its_segment():
    table = cte_table()[lambda t: t["negation"] != "foil"]
    assert available_segment(table, "correct") == "correct"
    assert set(heat_axes(figures.cte_map(table, SETTINGS))) == {"caption"}


def test_a_segment_keeps_an_empty_panel_where_only_other_segments_have_items():
    table = pd.concat([cte_table("all"), cte_table("correct")])
    inside = table[(table["segment"] != "correct") | (table["negation"] == "caption")]
    panels = heat_axes(figures.segment_map(inside, SETTINGS, "correct"))
    assert set(panels) == {"foil", "caption"}
    assert np.isnan(drawn(panels["foil"])).all()


def test_the_segment_can_be_chosen_by_argument():
    table = pd.concat([cte_table("correct"), cte_table("incorrect", factor=0.5)])
    axis = heat_axes(figures.cte_map(table, SETTINGS, "incorrect"))["foil"]
    np.testing.assert_allclose(drawn(axis)[3:], np.array(CTE["foil"]) / 2)


def selectivity() -> plt.Figure:
    return attention.selectivity_map(head_table(), SETTINGS)


def test_selectivity_map_frames_the_highest_heads_and_draws_means_of_blocks():
    figure = selectivity()
    panels = heat_axes(figure)
    for negation, axis in panels.items():
        np.testing.assert_allclose(drawn(axis), SELECTIVITY[negation])
    assert frames(panels["foil"]) == {(1, 1), (2, 1), (1, 2)}
    below = [axis for axis in figure.axes if axis.get_xlabel() == "block"]
    for axis, negation in zip(below, panels, strict=True):
        heights = axis.containers[0].datavalues
        np.testing.assert_allclose(heights, np.mean(SELECTIVITY[negation], axis=0))


def test_head_restoration_never_frames_heads_that_work_against_the_effect():
    table = head_table().assign(mean=lambda t: t["mean"] - 0.3)
    panels = heat_axes(figures.head_restoration(table, SETTINGS, "correct"))
    assert frames(panels["foil"]) == {(1, 1)}


def test_attention_by_role_takes_the_most_selective_block_or_the_configured_one():
    foil = [[0.0, 0.0785, 0.3363, 0.1469], [0.0559, 0.1934, 0.0656, -0.0047]]
    caption = [[-0.0355, 0.2499, 0.3528, 0.1229], [0.0498, 0.2323, 0.0371, -0.0055]]
    roles = ["determiner", "subject_first", "full_stop", "EOT"]
    grids = {"foil": foil, "caption": caption}
    labels = ("head", [1, 2]), ("role", roles)
    opposite = {negation: -np.array(grid) for negation, grid in grids.items()}
    table = pd.concat([tidy(grids, *labels, layer=2), tidy(opposite, *labels, layer=1)])
    overall = head_table("all")
    figure = attention.attention_by_role(table, overall, SETTINGS)
    assert "block 2" in figure.get_suptitle()
    axis = heat_axes(figure)["foil"]
    np.testing.assert_allclose(drawn(axis), foil)
    assert [label.get_text() for label in axis.get_xticklabels()] == roles
    figure = attention.attention_by_role(table, overall, {**SETTINGS, "attention_layer": 1})
    np.testing.assert_allclose(drawn(heat_axes(figure)["foil"]), -np.array(foil))
    with pytest.raises(InputError, match=r"attention_layer is 7.*1 to 2"):
        attention.attention_by_role(table, overall, {**SETTINGS, "attention_layer": 7})


def items(d: dict[str, list[float]]) -> pd.DataFrame:
    frame = pd.DataFrame([(n, value) for n, values in d.items() for value in values])
    frame.columns = ["negation", "d"]
    segment = pd.cut(frame["d"], [-np.inf, -1, 1, np.inf], right=False)
    names = ["incorrect", "ambiguous", "correct"]
    return frame.assign(
        segment=segment.cat.rename_categories(names).astype(str), correct=frame["d"] > 0
    )


def test_histogram_counts_items_by_segment_and_draws_the_thresholds():
    table = items({"foil": [-2.0, -1.0, -0.2, 0.2, 1.0, 3.0], "caption": [0.5, 1.5, 2.5]})
    figure = histogram.histogram_of_d(table, THRESHOLDS)
    foil, caption = figure.axes
    for axis in (foil, caption):
        assert [line.get_xdata()[0] for line in axis.lines] == [-1.0, 1.0]
    title = "negation in foil: 6 items, accuracy 50.0%\n(2 correct, 3 ambiguous, 1 incorrect)"
    assert foil.get_title() == title
    assert "3 items, accuracy 100.0%\n(2 correct, 1 ambiguous, 0 incorrect)" in caption.get_title()
    heights = {}
    for bar in foil.patches:
        colour = bar.get_facecolor()
        heights[colour] = heights.get(colour, 0) + bar.get_height()
    assert sorted(h for h in heights.values() if h) == [1, 2, 3]
    assert foil.get_xlim() == caption.get_xlim()
    assert foil.get_ylim() == caption.get_ylim()


@pytest.mark.parametrize("thresholds", [(-1.0, 1.0), (-0.37, 0.61), (0.0, 0.0), (-0.01, 0.01)])
def test_no_bar_of_the_histogram_mixes_segments(thresholds):
    d = pd.Series(np.random.default_rng(0).normal(size=300))
    edges = histogram._bins(d, *thresholds)
    assert edges[0] <= d.min()
    assert edges[-1] >= d.max()
    assert np.abs(edges - thresholds[0]).min() < 1e-9
    if thresholds[1] - thresholds[0] > 0.1:
        assert np.abs(edges - thresholds[1]).min() < 1e-9
    assert 20 <= len(edges) <= 60


def test_many_cells_lose_their_numbers_and_get_a_larger_figure():
    def map_of(heads: int, blocks: int) -> plt.Figure:
        grid = np.random.default_rng(0).normal(size=(heads, blocks)) / 10
        labels = ("head", list(range(1, heads + 1))), ("layer", list(range(1, blocks + 1)))
        table = tidy({"foil": grid, "caption": grid}, *labels)
        return figures.head_restoration(table, {**SETTINGS, "annotate": True})

    small, paper, large = map_of(4, 6), map_of(8, 12), map_of(20, 32)
    assert len(heat_axes(small)["foil"].texts) == 24
    assert len(heat_axes(paper)["foil"].texts) == 96
    assert not heat_axes(large)["foil"].texts
    assert large.get_figwidth() > paper.get_figwidth() >= small.get_figwidth()
    assert large.get_figheight() > paper.get_figheight() > small.get_figheight()


def test_numbers_can_be_left_out_and_the_width_chosen():
    figure = figures.cte_map(cte_table(), {**SETTINGS, "annotate": False, "width_cm": 30})
    assert not heat_axes(figure)["foil"].texts
    assert figure.get_figwidth() == pytest.approx(30 / 2.54, rel=0.01)


def test_a_map_without_items_is_refused():
    with pytest.raises(InputError, match="without items"):
        figures.cte_map(cte_table().iloc[:0], SETTINGS)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_saved_files_are_the_same_every_time_and_keep_text(tmp_path):
    for run in ("a", "b"):
        save(selectivity(), tmp_path / run / "map.negate", ["svg", "png"], 60)
        plt.rcParams["font.size"] = 20
    plt.rcdefaults()
    assert {p.name for p in (tmp_path / "a").iterdir()} == {"map.negate.svg", "map.negate.png"}
    for name in ("map.negate.svg", "map.negate.png"):
        assert digest(tmp_path / "a" / name) == digest(tmp_path / "b" / name)
    svg = (tmp_path / "a" / "map.negate.svg").read_text()
    assert ">block mean</text>" in svg
    assert "<dc:date>" not in svg


def test_a_failed_save_leaves_nothing_behind(tmp_path, monkeypatch):
    figure = selectivity()
    save(figure, tmp_path / "map", ["png"], 40)
    before = digest(tmp_path / "map.png")

    def broken(path, **_):
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", broken)
    with pytest.raises(OSError, match="disk full"):
        save(figure, tmp_path / "map", ["png"], 40)
    assert [p.name for p in tmp_path.iterdir()] == ["map.png"]
    assert digest(tmp_path / "map.png") == before


def test_drawing_changes_no_settings_and_opens_no_window():
    before = dict(plt.rcParams)
    selectivity()
    assert dict(plt.rcParams) == before
    assert plt.get_fignums() == []


@pytest.mark.parametrize("site", ["attn_out", "mlp_out"])
def test_other_sites_by_position_count_blocks(site):
    figure = figures.restoration(cte_table().assign(site=site, head=None), SETTINGS)
    axis = heat_axes(figure)["foil"]
    np.testing.assert_allclose(drawn(axis)[3:], CTE["foil"])
    assert {a.get_xlabel() for a in figure.axes} >= {"block"}
    assert SITES[site].label in figure.get_suptitle()


def test_a_site_that_no_item_can_be_patched_at_says_so():
    figure = figures.restoration(cte_table().iloc[:0], SETTINGS)
    assert "no item" in figure.texts[0].get_text()


def effect_table(segment: str, bounded: bool) -> pd.DataFrame:
    """`cte_table` with effect sizes; the determiner in the foil need not have bounded ratios."""
    table = cte_table(segment).assign(ratio=lambda rows: rows["mean"], p_fwer=0.5)
    loose = (table["negation"] == "foil") & (table["role"] == "determiner") & (not bounded)
    return table.assign(
        ratio_ci_low=(table["ratio"] - 0.1).mask(loose), ratio_ci_high=table["ratio"] + 0.1
    )


def hatched(axis: plt.Axes) -> int:
    return sum(bool(patch.get_hatch()) for patch in axis.patches)


def test_a_ratio_without_a_bounded_interval_has_no_colour_and_no_number():
    settings = {**SETTINGS, "annotate": True}
    figure = figures.cte_map(effect_table("all", bounded=False), settings, "all")
    panels = heat_axes(figure)
    foil, caption = (drawn(panels[n])[ROLES.index("determiner")] for n in ("foil", "caption"))
    assert np.isnan(foil).all()
    assert not np.isnan(caption).any()
    cells = np.count_nonzero(~np.isnan(drawn(panels["foil"])))
    assert len(panels["foil"].texts) == cells
    # Neither what is 0 nor what is no number is hatched.
    assert hatched(panels["foil"]) == np.count_nonzero(np.nan_to_num(drawn(panels["foil"])))


def test_a_map_without_any_bounded_ratio_is_drawn_empty():
    table = effect_table("all", bounded=True).assign(ratio_ci_low=np.nan)
    for axis in heat_axes(figures.cte_map(table, SETTINGS, "all")).values():
        assert np.isnan(drawn(axis)).all()


def test_segments_which_have_no_tests_are_not_hatched():
    tested, segment = effect_table("all", True), effect_table("correct", True).assign(p_fwer=np.nan)
    assert hatched(heat_axes(figures.cte_map(tested, SETTINGS, "all"))["foil"]) > 0
    assert hatched(heat_axes(figures.cte_map(segment, SETTINGS, "correct"))["foil"]) == 0


def test_panels_whose_tests_rest_on_few_clusters_say_so():
    table = effect_table("all", True).assign(few_clusters=lambda rows: rows["negation"] == "foil")
    titles = [axis.get_title() for axis in heat_axes(figures.cte_map(table, SETTINGS)).values()]
    assert titles == [
        f"negation in foil ({ITEMS['foil']} items, few clusters)",
        f"negation in caption ({ITEMS['caption']} items)",
    ]
    untested = table.assign(p_fwer=np.nan)
    figure = figures.cte_map(untested, SETTINGS)
    assert not [axis for axis in heat_axes(figure).values() if "few clusters" in axis.get_title()]


def test_attention_that_cannot_be_compared_says_so():
    """As where every negator is inserted, so that none has a counterpart."""
    columns = ["negation", "segment", "layer", "head", "mean", "sd", "n_items", "n_pairs"]
    heads = pd.DataFrame(columns=columns)
    roles = pd.DataFrame(columns=[*columns, "role"])
    for drawn in (
        attention._selectivity(heads, SETTINGS),
        attention.attention_by_role(roles, heads, SETTINGS),
    ):
        (text,) = drawn.texts
        assert "no counterpart" in text.get_text()
