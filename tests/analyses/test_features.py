"""Features of items and their correlations, on tables small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from negtrace.analyses.features import (
    FEATURES,
    accuracy_above_area,
    feature_correlations,
    feature_summary,
    item_features,
    selectivity_correlation,
)
from negtrace.errors import InputError
from negtrace.statistics.correlations import MEASURES, correlate

# The sentences' embeddings have these cosines.
COSINES = {"p": 0.6, "q": 0.8, "r": 0.0}


@pytest.fixture
def segments() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "item_id": list("abcdef"),
            "pair_id": pd.Categorical(["p", "p", "q", "q", "r", "r"]),
            "negation": pd.Categorical(["caption", "foil"] * 3),
            "d": [1.0, 0.5, -1.0, -2.0, 3.0, 5.0],
            "segment": pd.Categorical(["correct"] * 6),
            "correct": [True, True, False, False, True, True],
        }
    )


@pytest.fixture
def candidates() -> pd.DataFrame:
    negated = ["There are no people."] * 2 + ["There are no people here."] * 2 + ["No dogs."] * 2
    return pd.DataFrame({"item_id": list("abcdef"), "negated": negated}).iloc[::-1]


@pytest.fixture
def sentences() -> pd.DataFrame:
    rows = [
        (pair, polarity, np.array(vector, np.float32))
        for pair, cosine in COSINES.items()
        for polarity, vector in (
            ("negated", [2.0, 0.0]),
            ("affirmative", [cosine, np.sqrt(1 - cosine**2)]),
        )
    ]
    table = pd.DataFrame(rows, columns=["pair_id", "polarity", "embedding"])
    return table.sample(frac=1, random_state=1).astype({"pair_id": "category"})


@pytest.fixture
def alignment() -> pd.DataFrame:
    """Negated sentences have 4, 5 and 6 tokens, affirmative ones 3 fewer; then padding follows."""
    rows = []
    for number, pair in enumerate(COSINES):
        for polarity, eot in (("negated", 3 + number), ("affirmative", number)):
            roles = ["shared_before"] * eot + ["EOT", "padding", "pooled"]
            rows += [(pair, polarity, position, role) for position, role in enumerate(roles)]
    table = pd.DataFrame(rows, columns=["pair_id", "polarity", "position", "role"])
    return table.astype({"position": "int16", "pair_id": "category", "polarity": "category"})


@pytest.fixture
def sizes() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "item_id": list("fedcba"),
            "area": [0.4, 0.05, 0.1, None, 0.0, 0.2],
            "area_above": [0.5, 0.1, 0.1, None, 0.0, 0.3],
        }
    )


@pytest.fixture
def features(segments, candidates, sentences, alignment, sizes) -> pd.DataFrame:
    return item_features(segments, candidates, sentences, alignment, sizes)


def test_features_of_items(features):
    assert features["item_id"].tolist() == list("abcdef")
    assert features["no_people"].tolist() == [True, True, False, False, False, False]
    assert features["d"].tolist() == [1.0, 0.5, -1.0, -2.0, 3.0, 5.0]
    similarity = [0.6, 0.6, 0.8, 0.8, 0.0, 0.0]
    np.testing.assert_allclose(features["caption_foil_similarity"], similarity, atol=1e-7)
    # Of the caption: the negated sentence where the negation is in the caption.
    assert features["n_tokens"].tolist() == [4, 1, 5, 2, 6, 3]
    np.testing.assert_array_equal(features["subject_area"], [0.2, 0.0, np.nan, 0.1, 0.05, 0.4])
    np.testing.assert_array_equal(features["subject_area_above"], [0.3, 0, np.nan, 0.1, 0.1, 0.5])


def test_features_without_sizes(segments, candidates, sentences, alignment, features):
    plain = item_features(segments, candidates, sentences, alignment)
    assert plain[["subject_area", "subject_area_above"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(plain.iloc[:, :-2], features.iloc[:, :-2])


@pytest.mark.parametrize("table", ["candidates", "sentences", "alignment", "subject_sizes"])
def test_a_table_that_lacks_an_item_is_refused(
    table, segments, candidates, sentences, alignment, sizes
):
    tables = {
        "candidates": candidates,
        "sentences": sentences,
        "alignment": alignment,
        "subject_sizes": sizes,
    }
    key, value = ("item_id", "d") if "item_id" in tables[table] else ("pair_id", "q")
    tables[table] = tables[table][tables[table][key] != value]
    with pytest.raises(InputError, match=rf"table {table} has no row for .*'{value}'"):
        item_features(segments, **tables)


def test_summary(features):
    table = feature_summary(features).set_index(["feature", "negation", "subset"])
    assert len(table) == len(FEATURES) * 3 * 2
    measures = ["min", "mean", "max", "n_items"]
    assert table.loc[("n_tokens", "caption", "all"), measures].tolist() == [4, 5, 6, 3]
    assert table.loc[("n_tokens", "all", "without_no_people"), measures].tolist() == [2, 4, 6, 4]
    area = table.loc[("subject_area", "caption", "all"), measures].tolist()
    assert area == pytest.approx([0.05, 0.125, 0.2, 2])


def test_correlations_of_features(features):
    table = feature_correlations(features).set_index(["feature", "negation", "subset"])
    assert len(table) == len(FEATURES) * 3 * 2
    # Tokens 4, 5, 6 against d 1, -1, 3: covariance 2, variances 2 and 8.
    tokens = table.loc[("n_tokens", "caption", "all")]
    assert tokens["pearson"] == pytest.approx(0.5)
    # Ranks 1, 2, 3 against 2, 1, 3.
    assert tokens["spearman"] == pytest.approx(0.5)
    # Three points of a right angle's cosine: p = 2/3 at r = 1/2 with one degree of freedom.
    assert tokens["pearson_p"] == pytest.approx(2 / 3)
    fewer = table.loc[("n_tokens", "caption", "without_no_people")]
    assert fewer["n_items"] == 2
    assert fewer[MEASURES].isna().all()
    area = table.loc[("subject_area", "foil", "all")]
    expected = stats.pearsonr([0.0, 0.1, 0.4], [0.5, -2.0, 5.0])
    assert area[["pearson", "pearson_p"]].tolist() == pytest.approx(list(expected))


def test_correlations_are_those_of_scipy_column_by_column():
    rng = np.random.default_rng(0)
    d = pd.Series(rng.normal(size=40).round(1))
    values = pd.DataFrame(rng.normal(size=(40, 6)).round(1), columns=list("uvwxyz"))
    values.loc[:9, "v"] = values.loc[30:, ["x", "y"]] = np.nan
    table = correlate(values, d)
    assert table["n_items"].tolist() == [40, 30, 40, 30, 30, 40]
    for column, row in table.iterrows():
        known = values[column].notna()
        expected = [
            *stats.pearsonr(values.loc[known, column], d[known]),
            *stats.spearmanr(values.loc[known, column], d[known]),
        ]
        assert row[MEASURES].tolist() == pytest.approx(expected, rel=1e-9)


def test_values_that_differ_by_rounding_are_constant():
    d = pd.Series([1.0, 2.0, 4.0, 3.0])
    noise = np.array([0, 1, 0, 1]) * 1e-7
    values = pd.DataFrame({"one": 1 - noise, "zero": 0.0, "small": 1e-8 * d, "two": [1, 1, 2, 2]})
    table = correlate(values, d)
    assert table["pearson"].isna().tolist() == [True, True, False, False]
    assert table.loc["small", "pearson"] == pytest.approx(1)
    assert correlate(values, 1 + 1e-7 * d)[MEASURES].isna().all(axis=None)


def test_accuracy_by_least_area(features):
    table = accuracy_above_area(features, [0.0, 0.1, 0.4, 0.5]).set_index(["negation", "threshold"])
    # Areas of foil items: 0, 0.1 (wrong), 0.4; an absent subject counts at threshold 0.
    foil = table.loc["foil"]
    assert foil["n_items"].tolist() == [3, 2, 1, 0]
    assert foil["accuracy"].tolist()[:3] == pytest.approx([2 / 3, 1 / 2, 1])
    assert np.isnan(foil["accuracy"].iloc[3])
    assert table.loc["caption", "n_items"].tolist() == [2, 1, 0, 0]
    assert table.loc["all", "n_items"].tolist() == [5, 3, 1, 0]


def heads_of(pairs: dict[str, float]) -> pd.DataFrame:
    """Selectivity by pair: of head 1 as given, of head 2 its negative, of head 3 constant."""
    rows = [
        {"pair_id": pair, "layer": 1, "head": head, "selectivity": value}
        for pair, base in pairs.items()
        for head, value in ((1, base), (2, -base), (3, 0.25))
    ]
    table = pd.DataFrame(rows).astype({"selectivity": "float32", "pair_id": "category"})
    return table.sample(frac=1, random_state=0)


def test_selectivity_correlation(segments):
    heads = heads_of({"p": 0.5, "q": 0.25, "r": 0.75, "unused": 0.9})
    table = selectivity_correlation(heads, segments).set_index(["negation", "head"])
    assert len(table) == 9
    x, d = np.array([0.5, 0.5, 0.25, 0.25, 0.75, 0.75]), segments["d"]
    for head, sign in ((1, 1), (2, -1)):
        row = table.loc[("all", head)]
        assert row["pearson"] == pytest.approx(sign * np.corrcoef(x, d)[0, 1])
        assert row["spearman"] == pytest.approx(sign * stats.spearmanr(x, d).statistic)
        assert row["n_items"] == 6
    # Captions: 0.5, 0.25, 0.75 against 1, -1, 3 lie on a line.
    assert table.loc[("caption", 1), "pearson"] == pytest.approx(1)
    assert table.loc[("all", 3), MEASURES].isna().all()


def test_selectivity_correlation_leaves_out_undefined_pairs_and_refuses_missing_ones(segments):
    heads = heads_of({"p": 0.5, "q": 0.25, "r": np.nan})
    table = selectivity_correlation(heads, segments).set_index(["negation", "head"])
    assert table.loc[("all", 1), "n_items"] == 4
    assert table.loc[("foil", 1), "n_items"] == 2
    assert np.isnan(table.loc[("foil", 1), "pearson"])
    with pytest.raises(InputError, match="table selectivity has no row for 'r'"):
        selectivity_correlation(heads[heads["pair_id"] != "r"], segments)
