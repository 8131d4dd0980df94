"""Items of a templates dataset: crossed, balanced, and true of their pictures."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from negtrace.data.contrasts import Contrast
from negtrace.data.controls import neutral_swap
from negtrace.data.demo_world.items import sample_couples, sample_items, valse_entry
from negtrace.data.pairs import candidates
from negtrace.data.readers.valse import read_valse
from negtrace.data.sentences import words
from negtrace.data.template_items import is_plural, template_items
from negtrace.data.templates import CLAUSES, TEMPLATES
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


@pytest.fixture(scope="module")
def couples(tmp_path_factory):
    """Items of which two each have one picture, by their ids; and their candidates."""
    drawn = {item.item_id: item for item in sample_couples(120, 2)}
    path = tmp_path_factory.mktemp("couples") / "existence.json"
    path.write_text(json.dumps({name: valse_entry(item) for name, item in drawn.items()}))
    return drawn, candidates(read_valse(path), "standard")[0]


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


def shown(item, noun: str) -> bool:
    """Whether an item's picture shows what a noun in the plural names, read off the noun."""
    return any(
        all(
            word in (thing.colour, f"{thing.shape}s", f"{thing.shape}es", "shapes")
            for word in noun.split()
        )
        for thing in item.scene.things
    )


def test_couples_are_of_one_picture_in_all_four_combinations(couples):
    drawn, _ = couples
    pictures = pd.Series({name: item.image_file for name, item in drawn.items()})
    assert (pictures.value_counts() == 2).all()
    present = {name: item.scene.shows(item.subject) for name, item in drawn.items()}
    both = pd.Series(present).groupby(pictures).agg(tuple).value_counts()
    assert both.to_dict() == dict.fromkeys([(a, b) for a in (0, 1) for b in (0, 1)], 15)
    for item in drawn.values():
        assert (" no " in item.caption) != item.scene.shows(item.subject)


def test_second_clauses_are_true_and_say_what_another_item_of_the_picture_does(couples):
    drawn, source = couples
    items, designs = template_items(source, 24, 1, ["clauses"])
    made, rejected = candidates(items, "standard")
    assert rejected.empty
    assert set(made["kind"]) == {"negation"}
    assert set(designs["template"]) == {template.name for template in CLAUSES}
    contexts = {template.name: template.context for template in CLAUSES}
    design = designs.set_index("item_id")
    for row in made.to_dict("records"):
        item, said = drawn[row["group"]], design.loc[row["item_id"]]
        assert (row["negation"] == "foil") == shown(item, said["subject"])
        assert (contexts[said["template"]] == "affirmed") == shown(item, said["others"])
        assert said["others"] in row["negated"].lower()
        assert row["control"].lower().count(said["subject"]) == 1
    grouped = designs.assign(group=items["group"], context=designs["template"].map(contexts))
    counts = grouped.drop_duplicates("group").assign(
        present=lambda t: [
            shown(drawn[g], s) for g, s in zip(t["group"], t["subject"], strict=True)
        ]
    )
    assert counts.groupby(["context", "present"]).size().tolist() == [6, 6, 6, 6]


def test_pairs_of_scope_are_true_of_pictures_that_show_one_of_the_two(couples):
    drawn, source = couples
    items, designs = template_items(source, 16, 1, pairs="scope", negators=["no", "n't"])
    made, rejected = candidates(items, "standard", Contrast("caption"))
    assert rejected.empty
    assert set(made["kind"]) == {"scope"}
    assert designs["template"].nunique() == 8
    for row, design in zip(made.to_dict("records"), designs.to_dict("records"), strict=True):
        item = drawn[row["group"]]
        there = shown(item, design["subject"])
        assert there != shown(item, design["others"])
        affirmed = design["subject"] if there else design["others"]
        of_clauses = re.split(r" (?:and|but) ", row["caption"].lower().rstrip("."))
        (true,) = (clause for clause in of_clauses if affirmed in clause)
        (false,) = (clause for clause in of_clauses if affirmed not in clause)
        assert not re.search(r"\bno\b|n't|without", true)
        assert re.search(r"\bno\b|n't|without", false)
        assert sorted(words(row["caption"])) == sorted(words(row["foil"]))
    with pytest.raises(InputError, match="pairs of scope need templates as second_and"):
        template_items(source, 16, 1, ["there_are"], pairs="scope")


def test_second_clauses_need_a_second_item_of_the_picture(source):
    with pytest.raises(InputError, match=r"0 items .* two items of one picture"):
        template_items(source, 16, 1, ["clauses"])


def test_a_templates_control_is_its_items_control(source):
    text = "Look, {determiner} {subjects}!"
    own = [{"text": text, "control": "Look, three {subjects}!"}, "there_are"]
    items, designs = template_items(source, 8, 1, own, ["no"])
    neutral, rejected = neutral_swap(candidates(items, "standard")[0])
    assert rejected.empty
    plain = neutral["item_id"].str.contains("there_are")
    assert neutral.loc[~plain, "negated"].str.startswith("Look, three ").all()
    assert neutral.loc[plain, "negated"].str.startswith("There are many ").all()
    none = [{"text": text, "control": ""}]
    items, designs = template_items(source, 8, 1, none, ["no"])
    _, rejected = neutral_swap(candidates(items, "standard")[0])
    assert len(rejected) == len(designs)


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
