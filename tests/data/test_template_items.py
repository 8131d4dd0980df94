"""Items of a templates dataset: crossed, balanced, and true of their pictures."""

from __future__ import annotations

import pandas as pd
import pytest

from negtrace.data.demo_world.items import sample_items, valse_entry
from negtrace.data.pairs import candidates
from negtrace.data.readers.valse import read_valse
from negtrace.data.template_items import is_plural, template_items
from negtrace.data.templates import TEMPLATES
from negtrace.errors import InputError
from negtrace.statistics.clusters import cluster_ids


@pytest.fixture(scope="module")
def drawn():
    return {item.item_id: item for item in sample_items(120, 1)}


@pytest.fixture(scope="module")
def source(drawn, tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "existence.json"
    entries = {name: valse_entry(item) for name, item in drawn.items()}
    path.write_text(pd.Series(entries).to_json())
    return candidates(read_valse(path), "standard")[0]


def test_every_subject_is_in_every_template_of_its_number(source, drawn):
    items, designs = template_items(source, 20, 1)
    assert list(items["item_id"]) == list(designs["item_id"])
    assert items["item_id"].is_unique
    assert items["group"].nunique() == 20
    cells = designs.assign(group=items["group"]).groupby("group")
    for group, part in cells:
        of_number = [t for t in TEMPLATES if t.plural == part["plural"].iloc[0]]
        assert len(part) == sum(len(template.negators) for template in of_number)
        assert part["plural"].iloc[0] == (" are " in drawn[group].caption)
    assert set(designs["plural"]) == {True, False}
    present = items["group"].map(lambda name: drawn[name].scene.shows(drawn[name].subject))
    assert present.groupby(items["group"]).first().mean() == 0.5


def test_captions_are_true_and_the_pairs_are_negations(source, drawn):
    items, designs = template_items(source, 12, 3)
    made, rejected = candidates(items, "standard")
    assert rejected.empty
    for row, design in zip(made.to_dict("records"), designs.to_dict("records"), strict=True):
        item = drawn[row["group"]]
        assert (row["negation"] == "foil") == item.scene.shows(item.subject)
        assert row["negator"].endswith(design["negator"])
        assert design["subject"] in row["negated"].lower()
        assert row["image_file"] == item.image_file
    clusters = pd.Series(cluster_ids(made)).groupby(designs["subject"]).nunique()
    assert (clusters == 1).all()


def test_choice_of_templates_and_negators(source):
    _, designs = template_items(
        source, 10, 1, ["there_are", "See {determiner} {subjects}."], ["no"]
    )
    assert set(designs["template"]) == {"there_are", "See {determiner} {subjects}."}
    assert set(designs["negator"]) == {"no"}
    with pytest.raises(InputError, match="negator 'never'"):
        template_items(source, 10, 1, ["there_are"], ["never"])
    with pytest.raises(InputError, match="lower `items`"):
        template_items(source, 400, 1)


def test_the_draw_does_not_depend_on_the_order_of_rows(source):
    first = template_items(source, 10, 5)[0]
    second = template_items(source.sample(frac=1, random_state=0), 10, 5)[0]
    pd.testing.assert_frame_equal(first, second)


def test_distinct_subjects_come_first(source):
    _, designs = template_items(source, 20, 1)
    assert designs["subject"].nunique() >= 18


@pytest.mark.parametrize(
    ("subject", "affirmative", "plural"),
    [
        ("dogs", "There are dogs.", True),
        ("sheep", "There are sheep.", True),
        ("bus", "There is a bus.", False),
        ("dogs", "A photo of dogs.", True),
        ("bus", "A photo of a bus.", False),
        ("young women", "A photo of young women.", True),
        ("circle", "A circle here.", False),
    ],
)
def test_number(subject, affirmative, plural):
    assert is_plural(subject, affirmative) == plural
