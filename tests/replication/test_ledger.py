"""The ledger on tables that are made of the published numbers themselves."""

from __future__ import annotations

import json
import operator
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from negtrace.errors import InputError
from negtrace.figures.ledger import ledger_figure
from negtrace.figures.style import save
from negtrace.replication.ledger import (
    DEVIATES,
    DIFFERS,
    ITEM_COUNTS,
    MATCHES,
    NOT_CHECKED,
    NOT_COMPARABLE,
    REPLICATES,
    comparability,
    ledger,
    other_items,
)
from negtrace.replication.ledger_summary import overall, sentences, summary
from negtrace.replication.publication import read_published, read_tolerances
from negtrace.replication.published import PAPER, TOLERANCES

IDENTITY = {"architecture": "ViT-B-32-quickgelu", "weights": "openai", "random": False}
SIZES = {"standard": (256, 249), "rephrased": (250, 240)}
ANNOTATED = 534


@pytest.fixture(scope="module")
def published():
    return read_published(PAPER, TOLERANCES)


def planted(published, change: Callable[[float], float] = lambda value: value) -> dict:
    """Our tables, as they would be if every value were the published one, changed."""
    rows = defaultdict(lambda: defaultdict(dict))
    for block in published.blocks:
        if block.table == ITEM_COUNTS:
            continue
        for coordinates, value in block.cells():
            row = rows[block.wording, block.table][tuple(sorted(coordinates.items()))]
            exact = block.is_structural(coordinates)
            row |= {**coordinates, block.column: value if exact else change(value)}
    tables = {
        key: pd.DataFrame(list(table.values())).sample(frac=1, random_state=0, ignore_index=True)
        for key, table in rows.items()
    }
    for wording, (caption, foil) in SIZES.items():
        negations = ["caption"] * caption + ["foil"] * foil
        tables[wording, "pairs"] = pd.DataFrame({"negation": pd.Categorical(negations)})
        excluded = [str(number) for number in range(ANNOTATED - len(negations))]
        tables[wording, "excluded"] = pd.DataFrame({"item_id": excluded})
    return tables


@pytest.fixture
def tables(published):
    return planted(published)


def cell(table: pd.DataFrame, **coordinates) -> int:
    """Row number of a cell."""
    (row,) = table.index[(table[list(coordinates)] == pd.Series(coordinates)).all(axis=1)]
    return row


def test_every_published_number_is_there_once(published):
    frame = ledger(published, {})
    counts = frame.groupby("figure", sort=False).size().to_dict()
    assert counts == {
        "items": 7,
        "accuracy": 6,
        "mean d": 2,
        "segments": 12,
        **dict.fromkeys(["CTE, foil, correct", "CTE, caption, correct"], 8 * 13),
        "CTE, foil, incorrect": 8 * 13,
        **dict.fromkeys(["selectivity, foil", "selectivity, caption"], 8 * 12),
        **dict.fromkeys(["selectivity and d, foil", "selectivity and d, caption"], 8 * 12),
        **dict.fromkeys(["attention in block 4, foil", "attention in block 4, caption"], 8 * 8),
        "sentence similarity": 3,
        "similarity and d": 3,
        "subject size and d": 2,
        "accuracy by subject size": 5,
    }
    assert not frame.duplicated(["figure", "quantity"]).any()


def test_numbers_are_in_their_places(published):
    frame = ledger(published, {})

    def value(figure, **coordinates):
        rows = frame[frame["figure"] == figure]
        return rows["published"][cell(rows, **coordinates)]

    assert value("CTE, foil, correct", role="determiner", layer=3) == 0.6928
    assert value("CTE, caption, correct", role="EOT", layer=11) == 0.9328
    assert value("CTE, foil, incorrect", role="subject_first", layer=2) == 0.1779
    assert value("selectivity, foil", head=2, layer=4) == 0.377
    assert value("selectivity, caption", head=1, layer=12) == 0.0469
    assert value("selectivity and d, foil", head=6, layer=11) == 0.2982
    assert value("attention in block 4, caption", head=3, role="subject_first") == 0.2323
    assert value("segments", quantity="correct items, rephrased, negation in foil") == 81
    assert value("accuracy", quantity="accuracy, standard, negation in caption") == 0.6758


def test_published_values_agree_with_each_other(published):
    """Sizes of segments add up to the items, and accuracies are whole numbers of items."""
    frame = ledger(published, {})
    segments = frame[frame["figure"] == "segments"]
    sizes = segments.groupby(["wording", "negation"])["published"].sum()
    for wording, (caption, foil) in SIZES.items():
        assert (sizes[wording, "caption"], sizes[wording, "foil"]) == (caption, foil)
        both = {"caption": caption, "foil": foil, "all": caption + foil}
        rows = frame[(frame["figure"] == "accuracy") & (frame["wording"] == wording)]
        for row in rows.itertuples():
            correct = row.published * both[row.negation]
            assert correct == pytest.approx(round(correct), abs=5e-5 * both[row.negation])


def test_equal_values_replicate(published, tables):
    frame = ledger(published, tables)
    assert set(frame["verdict"]) == {REPLICATES}
    assert frame["deviation"].abs().max() == 0
    assert (frame["published"] != 0).sum() > 600


@pytest.mark.parametrize(
    ("key", "coordinates", "column", "name"),
    [
        (
            ("rephrased", "restoration_map"),
            {"negation": "foil", "segment": "correct", "role": "full_stop", "layer": 4},
            "mean",
            "restoration_foil",
        ),
        (
            ("rephrased", "restoration_map"),
            {"negation": "foil", "segment": "incorrect", "role": "EOT", "layer": 6},
            "mean",
            "restoration_foil_incorrect",
        ),
        (("standard", "accuracy"), {"negation": "caption"}, "accuracy", "accuracy"),
        (("rephrased", "accuracy"), {"negation": "foil"}, "n_incorrect", "segment"),
        (("rephrased", "accuracy"), {"negation": "all"}, "mean_d", "mean_d"),
        (
            ("rephrased", "selectivity_map"),
            {"negation": "caption", "layer": 4, "head": 2},
            "mean",
            "attention",
        ),
        (
            ("rephrased", "selectivity_correlation"),
            {"negation": "foil", "layer": 11, "head": 6},
            "pearson",
            "head_correlation",
        ),
        (
            ("rephrased", "attention_map"),
            {"negation": "foil", "head": 2, "role": "full_stop"},
            "mean",
            "attention",
        ),
        (
            ("rephrased", "feature_correlations"),
            {"feature": "subject_area", "negation": "foil"},
            "pearson",
            "area_correlation",
        ),
        (
            ("rephrased", "feature_summary"),
            {"feature": "caption_foil_similarity"},
            "min",
            "similarity",
        ),
        (("rephrased", "accuracy_above_area"), {"threshold": 0.1}, "accuracy", "area_accuracy"),
    ],
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_one_value_beyond_its_tolerance_flips_its_row_only(
    published, tables, key, coordinates, column, name, sign
):
    tolerance = read_tolerances(TOLERANCES)[name]
    row = cell(tables[key], **coordinates)
    value = tables[key].at[row, column]
    tables[key].at[row, column] = value + sign * 0.99 * tolerance
    assert set(ledger(published, tables)["verdict"]) == {REPLICATES}
    tables[key].at[row, column] = value + sign * 1.01 * tolerance
    frame = ledger(published, tables)
    (found,) = frame[frame["verdict"] == DEVIATES].to_dict("records")
    for name in set(coordinates) & {"negation", "layer", "head", "role"}:
        assert found[name] == coordinates[name]
    assert found["published"] == value
    assert found["deviation"] == pytest.approx(sign * 1.01 * tolerance)
    assert found["tolerance"] == tolerance
    assert (frame["verdict"] == REPLICATES).sum() == len(frame) - 1


def test_counts_of_items_are_exact(published, tables):
    tables["rephrased", "excluded"] = tables["rephrased", "excluded"].iloc[1:]
    assert set(ledger(published, tables)["verdict"]) == {REPLICATES}
    tables["rephrased", "pairs"] = tables["rephrased", "pairs"].iloc[1:]
    frame = ledger(published, tables)
    deviating = frame[frame["verdict"] == DEVIATES]
    assert deviating["negation"].tolist() == ["all", "caption"]
    assert deviating["ours"].tolist() == [489, 249]
    assert set(deviating["tolerance"]) == {0}


def test_cells_that_hold_with_any_weights_are_structural(published):
    frame = ledger(published, {})
    cte = frame[frame["figure"] == "CTE, caption, correct"]
    own = cte[~cte["structural"]]
    assert set(own["role"]) == {"determiner", "subject_first", "subject_rest", "full_stop", "EOT"}
    assert set(own["layer"]) == set(range(1, 12))
    assert len(own) == 5 * 11
    assert set(cte.loc[cte["structural"], "published"]) == {0.0, 1.0}
    attention = frame[frame["figure"] == "attention in block 4, foil"]
    assert attention["structural"].sum() == 8 * 3


def test_a_model_without_any_effect_replicates_no_more_than_is_said(published, tables):
    """Only values published as nearly 0 replicate, however many structural cells are right."""
    nothing = planted(published, lambda value: 0.0)
    frame = ledger(published, nothing)
    assert (frame.loc[frame["structural"], "verdict"] == REPLICATES).all()
    table = summary(frame).set_index("figure")
    assert (table["n_replicates"] == table["n_near_zero"]).all()
    cte = table.loc["CTE, foil, correct"]
    assert (cte["n"], cte["n_structural"]) == (55, 49)
    (block,) = (block for block in published.blocks if block.figure == "CTE, foil, correct")
    own = block.values[3:, 1:-1]  # from the determiner on, without the first and last hidden state
    assert cte["n_near_zero"] == (np.abs(own) <= block.tolerance).sum() > 10
    assert table.loc["accuracy", "n_near_zero"] == 0


def test_structural_cells_are_held_to_rounding(published, tables):
    table = tables["rephrased", "restoration_map"]
    where = {"negation": "foil", "segment": "correct", "role": "be", "layer": 5}
    table.loc[cell(table, **where), "mean"] = 0.001
    frame = ledger(published, tables)
    (found,) = frame[frame["verdict"] == DEVIATES].to_dict("records")
    assert (found["role"], found["layer"], found["tolerance"]) == ("be", 5, 0.0001)
    row = summary(frame).set_index("figure").loc["CTE, foil, correct"]
    assert (row["n_deviates"], row["n_structural_deviates"]) == (0, 1)
    said = sentences(summary(frame))
    assert any("1 of 49 values that hold with any weights deviate" in line for line in said)


def test_another_run_is_not_comparable_but_its_values_are_shown(published, tables):
    frame = ledger(published, tables, "another model: RN50")
    assert set(frame["verdict"]) == {NOT_COMPARABLE}
    assert set(frame["reason"]) == {"another model: RN50"}
    assert frame["ours"].notna().all()
    table = summary(frame)
    assert (table["n_not_comparable"] == table["n"]).all()
    assert table["largest_deviation"].isna().all()
    assert sentences(table)[-1] == "Nothing is compared: another model: RN50."


def test_absent_tables_and_cells_are_not_comparable(published, tables):
    del tables["rephrased", "accuracy_above_area"]
    resid = tables["rephrased", "restoration_map"]
    tables["rephrased", "restoration_map"] = resid[resid["segment"] != "incorrect"]
    selectivity = tables["rephrased", "selectivity_map"]
    selectivity.loc[cell(selectivity, negation="foil", layer=1, head=1), "mean"] = np.nan
    frame = ledger(published, tables)
    lacking = frame[frame["verdict"] == NOT_COMPARABLE]
    assert lacking.groupby("figure").size().to_dict() == {
        "CTE, foil, incorrect": 8 * 13,
        "accuracy by subject size": 5,
        "selectivity, foil": 1,
    }
    reasons = lacking.groupby("figure")["reason"].first()
    assert reasons["accuracy by subject size"] == (
        "this study has no table accuracy_above_area in wording rephrased"
    )
    assert reasons["selectivity, foil"] == (
        "table selectivity_map in wording rephrased has no value for it"
    )
    said = sentences(summary(frame))
    assert "Items: all 7 are as published." in said
    assert said[-1] == (
        "Accuracy by subject size: 5 are not comparable: "
        "this study has no table accuracy_above_area in wording rephrased."
    )
    assert set(frame.loc[~frame.index.isin(lacking.index), "verdict"]) == {REPLICATES}


def test_a_wording_that_was_not_run_is_named(published, tables):
    kept = {key: table for key, table in tables.items() if key[0] == "rephrased"}
    frame = ledger(published, kept)
    lacking = frame[frame["verdict"] == NOT_COMPARABLE]
    assert set(lacking["wording"]) == {"standard"}
    assert set(lacking["reason"]) == {"this study has no wording standard"}


def test_tables_without_a_wording_serve_every_wording(published, tables):
    tables[None, "accuracy_above_area"] = tables.pop(("rephrased", "accuracy_above_area"))
    assert set(ledger(published, tables)["verdict"]) == {REPLICATES}


def test_what_our_way_may_do_otherwise_is_said(published, tables):
    frame = ledger(published, tables)
    caveats = frame.dropna(subset=["reason"]).groupby("figure")["reason"].first()
    assert set(caveats.index) == {"subject size and d", "accuracy by subject size"}
    assert "236 items" in caveats["subject size and d"]


def test_tables_as_the_pipeline_types_them(published, tables):
    """Categories and nullable integers compare like plain values."""
    table = tables["rephrased", "selectivity_map"]
    tables["rephrased", "selectivity_map"] = table.astype(
        {"negation": "category", "segment": "category", "layer": "int16", "head": "Int16"}
    )
    assert set(ledger(published, tables)["verdict"]) == {REPLICATES}


def test_a_table_without_a_column_is_refused(published, tables):
    tables["rephrased", "attention_map"] = tables["rephrased", "attention_map"].drop(columns="role")
    with pytest.raises(InputError, match="attention_map in wording rephrased has no column 'role'"):
        ledger(published, tables)


def test_a_table_of_two_models_is_refused(published, tables):
    tables["standard", "accuracy"] = pd.concat([tables["standard", "accuracy"]] * 2)
    with pytest.raises(InputError, match=r"several rows for negation \w+; give one model's table"):
        ledger(published, tables)


def test_comparability_goes_by_model_and_dataset(published):
    sha256 = published.annotations_sha256
    assert sha256.startswith("b20fca52")
    assert comparability(published, IDENTITY, sha256) is None
    other = {**IDENTITY, "weights": "random"}
    assert comparability(published, other, sha256) == (
        "another model: ViT-B-32-quickgelu with weights random, "
        "not ViT-B-32-quickgelu with weights openai"
    )
    other = {**IDENTITY, "architecture": "ViT-B-32"}
    assert comparability(published, other, sha256).startswith("another model: ViT-B-32 with")
    assert comparability(published, IDENTITY, "0" * 64).startswith("another dataset")
    assert comparability(published, IDENTITY, None).startswith("another dataset")
    note = "the images are generated"
    assert comparability(published, IDENTITY, sha256, note) == note


def test_summary_names_the_largest_deviation(published, tables):
    table = tables["rephrased", "restoration_map"]
    where = {"negation": "caption", "segment": "correct", "role": "EOT"}
    table.loc[cell(table, layer=9, **where), "mean"] -= 0.5
    table.loc[cell(table, layer=8, **where), "mean"] += 0.3
    row = summary(ledger(published, tables)).set_index("figure").loc["CTE, caption, correct"]
    assert row["largest_deviation"] == pytest.approx(0.5)
    assert row["cell"] == "restoration at EOT, hidden state 9"
    assert (row["n_replicates"], row["n_deviates"]) == (53, 2)
    assert row["tolerance"] == read_tolerances(TOLERANCES)["restoration_caption"]


def test_sentences_begin_with_the_weights(published, tables):
    table = summary(ledger(published, tables))
    rows = pd.DataFrame({"verdict": [MATCHES, DIFFERS, DIFFERS, NOT_CHECKED]})
    assert sentences(table, rows)[0].startswith(
        "The weights are not the published ones: 2 of 3 outputs"
    )
    assert "all 1 outputs" in sentences(table, rows[rows["verdict"] != DIFFERS])[0]
    assert sentences(table)[0].endswith("was not checked.")
    assert sentences(table, rows.iloc[3:])[0].endswith("was not checked.")


def test_sentences_of_a_full_replication(published, tables):
    said = sentences(summary(ledger(published, tables)))
    structural = 7 + 3 * 49 + 2 * 24
    own = len(ledger(published, tables)) - structural
    assert said[1] == "Overall: replicates: 16 of 16 figures replicate."
    assert said[2] == (
        f"Of {own} published values, {own} replicate, 0 deviate and 0 are not comparable; "
        f"{structural} more hold with any weights and are not counted."
    )
    assert said[3] == "Items: all 7 are as published."
    assert len(said) == 3 + 17


def test_the_overall_verdict_counts_figures(published, tables):
    def verdict(identity=None, obstacle=None):
        return overall(summary(ledger(published, tables, obstacle)), identity)

    other_weights = pd.DataFrame({"verdict": [MATCHES, DIFFERS]})
    assert verdict(other_weights) == (
        "Overall: no replication, because the weights are others: 16 of 16 figures replicate."
    )
    assert verdict(other_weights[:1]) == "Overall: replicates: 16 of 16 figures replicate."
    assert verdict(obstacle="another model") == "Overall: not comparable."
    correlations = tables["rephrased", "selectivity_correlation"]
    correlations.loc[cell(correlations, negation="foil", layer=1, head=1), "pearson"] = np.nan
    assert verdict().startswith("Overall: replicates as far as it is compared: 16 of 16")
    del tables["rephrased", "accuracy_above_area"]
    assert verdict() == (
        "Overall: replicates as far as it is compared: 15 of 16 figures replicate; "
        "1 are not comparable."
    )
    correlations.loc[cell(correlations, negation="foil", layer=1, head=2), "pearson"] += 1
    assert verdict() == (
        "Overall: replicates in part: 14 of 16 figures replicate; "
        "1 deviate (selectivity and d, foil); 1 are not comparable."
    )


def test_nothing_replicates_where_every_figure_deviates(published):
    wrong = planted(published, lambda value: value + 9)
    found = summary(ledger(published, wrong))
    assert set(found.loc[found["n"] > 0, "verdict"]) == {DEVIATES}
    said = overall(found)
    assert said.startswith("Overall: does not replicate: 0 of 16 figures replicate; 16 deviate (")
    assert said.endswith(" and 13 more).")


def test_items_that_are_others_make_their_figure_deviate(published, tables):
    tables["rephrased", "pairs"] = tables["rephrased", "pairs"].iloc[1:]
    found = summary(ledger(published, tables))
    assert found.set_index("figure").loc["items", "verdict"] == DEVIATES
    assert overall(found) == (
        "Overall: replicates in part: 16 of 16 figures replicate; 1 deviate (items)."
    )


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda content: content.pop("figures"), "has no key 'figures'"),
        (lambda content: content["figures"][1].pop("table"), "has no key 'table'"),
        (
            lambda content: content["figures"][1].update(tolerance="none"),
            "has no key 'none'",
        ),
        (
            lambda content: content["figures"][1]["parts"][0]["values"].pop(),
            r"values of figure 'accuracy' have shape \(2,\), its axes \(3,\)",
        ),
        (
            lambda content: content["figures"][4]["values"][3].pop(),
            r"values of figure 'CTE, foil, correct' have shape \(8,\), its axes \(8, 13\)",
        ),
        (lambda content: content["figures"].clear(), "holds no figures"),
        (lambda content: content["figures"][4].update(where="x"), "an entry has another form"),
        (lambda content: content["figures"][4].update(quantity="{depth}"), "an entry .* 'depth'"),
        (lambda content: content["figures"][4].update(values="x"), "values of figure"),
        (
            lambda content: operator.setitem(content["figures"][7]["axes"]["layer"], 0, 1e400),
            "an entry has another form",
        ),
        (lambda content: content["figures"][7].update(wording={}), "an entry .*wording is no text"),
    ],
)
def test_broken_files_are_refused(tmp_path, broken, message):
    content = json.loads(PAPER.read_text())
    broken(content)
    path = tmp_path / "paper.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"^\S*paper\.json: {message}"):
        read_published(path, TOLERANCES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "no readable file of published numbers"),
        ("[]", "no readable file of published numbers"),
        ("{}", "has no key 'tolerances'"),
        ('{"tolerances": {"count": {}}}', "has no key 'value'"),
        ('{"tolerances": {"count": {"value": "wide"}}}', "is no tolerance"),
        ('{"tolerances": {"count": {"value": NaN}}}', "is no tolerance"),
        ('{"tolerances": {"count": {"value": -1}}}', "is no tolerance"),
        ('{"tolerances": {"count": 0.1}}', "is no tolerance"),
        ('{"tolerances": [0.1]}', "is no tolerance"),
    ],
)
def test_broken_tolerances_are_refused(tmp_path, content, message):
    path = tmp_path / "tolerances.json"
    path.write_text(content)
    with pytest.raises(InputError, match=rf"^\S*tolerances\.json: .*{message}.*restore") as error:
        read_published(PAPER, path)
    assert "\n" not in str(error.value)


def test_a_file_that_is_missing_or_no_json_is_refused(tmp_path):
    path = tmp_path / "paper.json"
    path.write_text("{")
    for file in (path, tmp_path / "missing.json"):
        with pytest.raises(InputError, match=r"\.json: no readable file .*restore it"):
            read_published(file, TOLERANCES)


def test_every_tolerance_is_used_and_has_a_reason(published):
    content = json.loads(TOLERANCES.read_text())["tolerances"]
    assert set(content) == {block.tolerance_name for block in published.blocks} | {"structural"}
    assert all(entry["why"] for entry in content.values())


def points(axis, kind: int) -> np.ndarray:
    """(published, ours) of the points of a kind: structural, not comparable, replicates, deviates.

    The first collection is the band of tolerance.
    """
    return np.asarray(axis.collections[1 + kind].get_offsets())


def test_figure_shows_every_value_in_its_panel(published, tables):
    table = tables["rephrased", "restoration_map"]
    where = {"negation": "foil", "segment": "correct"}
    table.loc[cell(table, role="EOT", layer=9, **where), "mean"] = 0.2
    table.loc[cell(table, role="be", layer=9, **where), "mean"] = 0.1
    del tables["rephrased", "feature_summary"]
    figure = ledger_figure(ledger(published, tables), {})
    panels = {axis.get_title().partition("\n")[0]: axis for axis in figure.axes if axis.axison}
    assert len(panels) == 17
    axis = panels["CTE, foil, correct"]
    assert axis.get_title().startswith("CTE, foil, correct\n54 of 55 within ")
    structural, lacking, replicating, deviating = (points(axis, kind) for kind in range(4))
    assert (len(structural), len(lacking), len(replicating)) == (48, 0, 54)
    assert sorted(deviating.tolist()) == [[0.0, 0.1], [0.593, 0.2]]
    assert axis.get_xlim() == axis.get_ylim()
    absent = panels["sentence similarity"]
    assert [text.get_text() for text in absent.texts] == ["not measured"]
    assert not axis.texts
    assert "7 of 7" in panels["items"].get_title()


def test_figure_of_another_run_keeps_its_points(published, tables, tmp_path):
    figure = ledger_figure(ledger(published, tables, "another model"), {"width_cm": 12})
    axis = next(a for a in figure.axes if a.get_title().startswith("accuracy\n"))
    assert axis.get_title() == "accuracy\nnot comparable"
    assert len(points(axis, 1)) == 6
    save(figure, tmp_path / "ledger", ["svg"], 100)
    first = (tmp_path / "ledger.svg").read_bytes()
    figure = ledger_figure(ledger(published, tables, "another model"), {"width_cm": 12})
    save(figure, tmp_path / "ledger", ["svg"], 100)
    assert (tmp_path / "ledger.svg").read_bytes() == first


@pytest.mark.parametrize(
    ("kind", "origin", "reason"),
    [
        ("neutral", "network", "another dataset: a negative control (neutral)"),
        ("valse", "generated", "other images: they are stand-ins"),
        ("valse", "mirror", None),
    ],
)
def test_controls_and_stand_ins_are_not_the_published_items(kind, origin, reason):
    assert other_items(kind, pd.DataFrame({"origin": [origin, None]})) == reason
