"""The vocabulary holds every name that is used, and none that nothing uses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from negtrace import vocabulary
from negtrace.figures.style import ROLE_COLOURS, SEGMENT_COLOURS
from negtrace.models import roles
from negtrace.patching.sites import SITES
from negtrace.study import layout, settings
from negtrace.study.step_source import steps
from negtrace.tables.lineage import kind_of

ROOT = Path(__file__).parents[1]
TABLES = json.loads((ROOT / "workflow/schemas/tables.json").read_text())["tables"]
CAPTIONS = {path.stem for path in (ROOT / "workflow/report/captions").glob("*.rst")}
EVERYTHING = {
    "sites": list(vocabulary.SITES),
    "directions": list(vocabulary.DIRECTIONS),
    "donors": list(vocabulary.DONORS),
    "confirm": list(vocabulary.CONFIRMATIONS),
}


def test_records_are_found_by_their_names():
    for name in (
        "ROLES",
        "SITES",
        "DIRECTIONS",
        "WORDINGS",
        "SEGMENTS",
        "EFFECTS",
        "CONTROLS",
        "DONORS",
    ):
        assert all(key == record.name for key, record in getattr(vocabulary, name).items())


def test_every_role_that_alignment_gives_has_a_place_and_a_colour():
    given = {*vocabulary.THERE_ROLES, *vocabulary.DIFF_ROLES}
    given |= {roles.PADDING, roles.POOLED}
    assert given == set(vocabulary.ROLES)
    assert {*vocabulary.ROLES, vocabulary.ALL} == set(ROLE_COLOURS)
    assert set(vocabulary.EDITED_ROLES) <= given


def test_the_engine_has_every_site_and_no_other():
    assert list(SITES) == list(vocabulary.SITES)


def test_segments_have_colours():
    assert set(SEGMENT_COLOURS) == set(vocabulary.SEGMENTS)


def test_effects_are_columns_of_the_map():
    assert set(vocabulary.EFFECTS) <= set(TABLES["restoration_map"]["columns"])


def test_every_figure_has_a_title_and_a_caption_and_is_made():
    made = {name.split(".")[0] for name in layout.figures(EVERYTHING, "all")} | {
        "planted",
        "specification",
        "templates",
        "intervention",
    }
    assert made == set(vocabulary.FIGURES) == CAPTIONS


def test_every_table_that_is_written_is_declared_and_none_is_left_over():
    written = {kind for step in steps().values() for kind in step.tables.values()}
    assert written == set(TABLES)


def test_confirmations_name_tables():
    for confirmation in vocabulary.CONFIRMATIONS.values():
        assert set(map(kind_of, confirmation.tables)) <= set(TABLES)


def test_the_configuration_allows_the_vocabulary_and_nothing_else():
    study = settings.schema()["properties"]["study"]["properties"]
    found = {
        key: study[key]["items"]["enum"] for key in study if "enum" in study[key].get("items", {})
    }
    assert found == {
        **{key: names for key, names in EVERYTHING.items() if key != "sites"},
        "wordings": list(vocabulary.WORDINGS),
        "controls": list(vocabulary.CONTROLS),
    }
    figures = settings.schema()["properties"]["figures"]["properties"]
    assert figures["effect"]["enum"] == list(vocabulary.EFFECTS)
    assert figures["segment"]["enum"] == [*vocabulary.SEGMENTS, vocabulary.ALL]


@pytest.mark.parametrize(
    "records", [vocabulary.ROLES, vocabulary.SITES, vocabulary.FIGURES, vocabulary.CONTROLS]
)
def test_no_list_of_names_stands_in_a_second_place(records):
    """Four names of a kind in a row, anywhere else in the library, are a copy."""
    names = "|".join(map(re.escape, records))
    copy = re.compile(rf'(?:"(?:{names})",?\s+){{4,}}')
    for path in (ROOT / "workflow/negtrace").rglob("*.py"):
        if path.name not in ("vocabulary.py", "sites.py", "style.py"):
            assert not copy.search(path.read_text()), path


def test_no_figure_is_drawn_twice():
    every, correct = (layout.figures(EVERYTHING, shown) for shown in ("all", "correct"))
    assert set(every) - set(correct) == {n for n in every if n.startswith("cte_map_correct.")}
