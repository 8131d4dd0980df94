"""Contrasts: the source of a pair by lexicon, by a column or by truth."""

from __future__ import annotations

import pandas as pd
import pytest

from negtrace.data.contrasts import NO_SOURCE, Contrast, contrast_of
from negtrace.data.items import item_table
from negtrace.data.negators import LEXICON
from negtrace.data.pairs import NOT_NEGATION, candidates, reason_counts
from negtrace.statistics.clusters import cluster_ids

RED, BLUE = "A red cup is here.", "A blue cup is here."


def made(contrast: Contrast, *rows: dict, wording: str = "standard"):
    given = [{"item_id": str(i), "image_file": "a.png", **row} for i, row in enumerate(rows)]
    return candidates(item_table(given), wording, contrast)


def test_the_true_sentence_is_the_source():
    row = {"caption": RED, "foil": BLUE}
    found, rejected = made(Contrast("caption"), row, {"caption": BLUE, "foil": RED})
    assert rejected.empty
    assert found["negation"].tolist() == ["caption", "caption"]
    assert found["negated"].tolist() == [RED, BLUE]
    assert found["edit"].tolist() == ["other", "other"]
    assert found["negator"].isna().all()
    assert found["negator_at"].isna().all()
    assert found["negated_subject_at"].tolist() == ["6-9", "7-10"]
    assert found["pair_id"].nunique() == 2
    assert cluster_ids(found).tolist() == [found["pair_id"][0]] * 2


def test_a_column_says_which_sentence_is_the_source():
    row = {"caption": RED, "foil": BLUE}
    rows = [{**row, "source": source} for source in ("foil", "caption", "neither")]
    found, rejected = made(Contrast("columns"), *rows, row)
    assert found["negation"].tolist() == ["foil", "caption"]
    assert found["negated"].tolist() == [BLUE, RED]
    assert rejected["reason"].tolist() == [NO_SOURCE.format("neither"), NO_SOURCE.format("")]


def test_rephrasing_is_for_negations():
    _, rejected = made(
        Contrast("caption"),
        {"caption": "There are dogs.", "foil": "There are no dogs."},
        wording="rephrased",
    )
    assert rejected["reason"].tolist() == [NOT_NEGATION]


def test_settings():
    assert contrast_of({"kind": "negation", "roles": "paper"}) == Contrast(subjects=False)
    added = contrast_of({"kind": "negation", "roles": "subject", "add": ["hardly"]})
    assert added.lexicon == (*LEXICON, "hardly")
    only = contrast_of({"kind": "negation", "roles": "subject", "lexicon": ["no"]})
    assert only.lexicon == ("no",)
    found, _ = made(only, {"caption": "Dogs are not here.", "foil": "Dogs are here."})
    assert found.empty


def test_the_papers_roles_name_no_subject():
    row = {"caption": "You see no dogs.", "foil": "You see dogs."}
    assert made(Contrast(subjects=False), row)[0]["negated_subject_at"].isna().all()
    assert made(Contrast(), row)[0]["negated_subject_at"].tolist() == ["11-15"]


def test_reasons_are_counted_without_what_is_an_items_own():
    table = pd.DataFrame({"reason": ["both (“no”)", "both (“not”)", "other"]})
    assert reason_counts(table).to_dict() == {"both": 2, "other": 1}


@pytest.mark.parametrize("wording", ["standard", "rephrased"])
def test_places_are_those_of_the_worded_sentence(wording):
    row = {"caption": "There  are&nbsp;no dogs.", "foil": "There are dogs."}
    found, _ = made(Contrast(), row, wording=wording)
    (sentence,), (place,) = found["negated"], found["negator_at"]
    assert sentence[slice(*map(int, place.split("-")))] == "no"
