"""The report: complete, self-contained, and nothing from outside gets into its markup."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from negtrace import vocabulary
from negtrace.report import blocks, pictures
from negtrace.report import section as sections
from negtrace.report.of_model import Choices, Comparison
from negtrace.report.page import render as whole
from negtrace.report.section import Section

EVIL = "<script>alert('x')</script>"

FIGURES = [
    "attention_by_role",
    "cte_map.affirm",
    "cte_map.negate",
    "head_restoration.negate",
    "histogram_of_d",
    "selectivity",
]

# Two figures with the same element ids, as matplotlib writes them.
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" id="figure_1"><g id="axes_1"/><title>{}</title></svg>'
)


def render(*given, **named) -> str:
    return whole(*given, **named).html


ATTRIBUTES_THAT_LOAD = {"src", "href", "srcset", "data", "poster", "action", "background"}


def heads(quantity: float) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (negation, segment, 4, 2, quantity, 0.1, 50, 25)
            for negation in ("foil", "caption", "all")
            for segment in ("correct", "all")
        ],
        columns=["negation", "segment", "layer", "head", "mean", "sd", "n_items", "n_pairs"],
    )


def resid() -> pd.DataFrame:
    rows = [
        (negation, segment, state, role, value, 0.1, 50, 25)
        for negation in ("foil", "caption", "all")
        for segment in ("correct", "all")
        for role, values in {"determiner": [1, 0.4, 0], "EOT": [0, 0.6, 1]}.items()
        for state, value in enumerate(values)
    ]
    columns = ["negation", "segment", "layer", "role", "mean", "sd", "n_items", "n_pairs"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def section(tmp_path) -> Section:
    figures = {}
    for name in FIGURES:
        figures[name] = tmp_path / f"{name}.svg"
        figures[name].write_text(SVG.format(name))
    tables = [tmp_path / "scores.parquet", tmp_path / "attention.parquet"]
    for rows, path in enumerate(tables, start=17):
        pd.DataFrame({"x": range(rows)}).to_parquet(path)
    accuracy = pd.DataFrame(
        [
            ("foil", 240, 140, 0.7042, 0.6, 1.1, 81, 145, 14),
            ("caption", 250, 150, 0.668, 0.4, 1.2, 72, 150, 28),
            ("all", 490, 280, 0.6857, 0.5179, 1.15, 153, 295, 42),
        ],
        columns=[
            *("negation", "n_items", "n_pairs", "accuracy", "mean_d", "sd_d"),
            *("n_correct", "n_ambiguous", "n_incorrect"),
        ],
    ).assign(
        accuracy_ci_low=0.6, accuracy_ci_high=0.75, mean_d_ci_low=np.nan, mean_d_ci_high=np.nan
    )
    return Section(
        dataset="valse",
        model="vitb32",
        wording="rephrased",
        kind="valse",
        identity={"architecture": "ViT-B-32-quickgelu", "weights_sha256": "c0ffee", "seed": 3},
        provenance={
            "step": "runs",
            "negtrace": "0.1.0",
            "inputs": {"alignment": "abad1dea"},
            "params": {"dtype": "float32"},
            "model": None,
            "seed": 11,
            "versions": {"torch": "2.12.0"},
        },
        excluded=pd.DataFrame({"item_id": list("abc"), "reason": ["votes", "no image", "votes"]}),
        accuracy=accuracy,
        selectivity=heads(0.38),
        maps={"resid.negate": resid(), "head.negate": heads(0.45)},
        figures=figures,
        tables=tables,
        segment="correct",
    )


class Page(HTMLParser):
    """Elements, attributes and text of a document."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def loaded(page: Page) -> list[str]:
    """What a browser would fetch to show the page."""
    return [
        value or ""
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ATTRIBUTES_THAT_LOAD
    ]


def test_nothing_is_loaded_from_outside(section):
    html = render("A study", [section], "key: 1")
    page = Page(html)
    drawn = {picture.path for picture in section.plain_pictures}
    assert len(loaded(page)) > len(drawn) == 3
    assert all(value.startswith("#") or value in drawn for value in loaded(page))
    assert not page.all("link")
    (style,) = re.findall("<style>(.*?)</style>", html, re.DOTALL)
    assert not re.search(r"url\(|@import", style)


def test_figures_come_in_reading_order_and_maps_are_left_to_the_page(section):
    names = [picture.name for picture in section.pictures]
    assert names == [
        "histogram_of_d",
        "cte_map-affirm",
        "cte_map-negate",
        "head_restoration-negate",
        "selectivity",
        "attention_by_role",
    ]
    assert section.pictures[1].title == "Restoration by token and hidden state, direction affirm"
    sources = [base64.b64decode(one.source.split(",")[1]).decode() for one in section.pictures]
    titles = [re.search("<title>(.*)</title>", source)[1] for source in sources]
    assert titles == [name.replace("-", ".") for name in names]
    shown = [picture.name for picture in section.plain_pictures]
    assert shown == ["histogram_of_d", "selectivity", "attention_by_role"]
    page = Page(render("A study", [section], ""))
    assert len(page.all("img")) == len(shown)
    assert all(image["alt"] for image in page.all("img"))


def test_maps_are_in_the_page_without_its_script(section):
    html = render("A study", [section], "")
    (static,) = re.findall("<noscript>(.*?)</noscript>", html, re.DOTALL)
    rows = re.findall(r'<tr><th scope="row">(\w+)</th>(.*?)</tr>', static)
    values = {role: re.findall(r">([\d.]+)</td>", cells) for role, cells in rows}
    assert values["determiner"] == ["1.00", "0.40", "0"]
    assert values["EOT"] == ["0", "0.60", "1.00"]


def test_figures_follow_a_dark_page(section):
    source = base64.b64decode(section.pictures[0].source.split(",")[1]).decode()
    assert re.match(r"<svg [^>]*><style>@media screen and \(prefers-color-scheme: dark\)", source)


def test_ids_are_unique_and_links_lead_somewhere(section):
    sections = [section, replace(section, wording="standard"), replace(section, model="big")]
    page = Page(render("A study", sections, ""))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {one.anchor for one in sections} <= set(ids)
    links = {link["href"] for link in page.all("a")}
    assert len(links) > 3
    assert links <= {f"#{name}" for name in ids}


def test_anchors_of_different_names_differ():
    names = ["a.b-c-d", "a_b-c-d", "a b-c-d", "ä-c-d"]
    anchors = [sections.anchor_of(name) for name in names]
    assert len(set(anchors)) == len(names)
    assert all(re.fullmatch("[A-Za-z0-9_-]+", anchor) for anchor in anchors)


def test_text_from_outside_is_escaped(section):
    evil = replace(
        section,
        model=EVIL,
        dataset=EVIL,
        identity={EVIL: EVIL},
        excluded=pd.DataFrame({"item_id": ["a"], "reason": [EVIL]}),
        provenance={"versions": {"torch": EVIL}, "params": {EVIL: EVIL}},
    )
    html = render(EVIL, [evil], EVIL)
    assert "<script>alert" not in html
    page = Page(html)
    assert page.text.count(EVIL) >= 10
    assert "<script>alert" not in render("", [section], "", pictures={"p": blocks.packed([EVIL])})


def test_what_was_run_is_told(section):
    text = Page(render("A study", [section], "study:\n  title: A study")).text
    for told in (
        "title: A study",
        "weights_sha256: c0ffee",
        "architecture: ViT-B-32-quickgelu",
        "sha256 of alignment: abad1dea",
        "dtype: float32",
        "seed: 11",
        "seed: 3",
        "negtrace: 0.1.0",
        "torch: 2.12.0",
        "2: votes",
        "1: no image",
        "70.4%",
        "scores.parquet",
    ):
        assert told in text, told
    rows = re.findall(r"(\w+)\.parquet</td><td>(\d+)</td>", render("", [section], ""))
    assert rows == [("scores", "17"), ("attention", "18")]


def test_findings_are_in_the_report_and_follow_the_tables(section):
    text = Page(render("A study", [section], "")).text
    assert "The head that restores most is head 2 of block 4 (0.45)." in text
    assert "Highest mean selectivity (all items): head 2 of block 4 (0.38" in text
    assert "Named for both restoration and selectivity: head 2 of block 4." in text
    weaker = replace(section, maps={"resid.negate": resid(), "head.negate": heads(0.03)})
    text = Page(render("A study", [weaker], "")).text
    assert "No single head has a mean restoration of 0.1 or more" in text
    assert "Named for both" not in text


def test_directions_are_named_where_there_are_two(section):
    assert not [title for title, _ in section.statements if "direction" in title]
    both = {"resid.affirm": resid(), "resid.negate": resid()}
    said = dict(replace(section, maps=both).statements)
    for direction in ("affirm", "negate"):
        of_map = said[f"Restoration by token and hidden state, direction {direction}"]
        assert sum(s.startswith("Negation in the foil") for s in of_map) == 1


def test_no_zero_has_a_sign_and_a_minus_is_no_hyphen(section):
    said = section.said(
        "from -0.00 [-0.01, -0.0] by -0.05% to -0, 2e-06, 1-0.00, ViT-B-32, 20-30 and -0.001."
    )
    assert said == (
        "from 0.00 [−0.01, 0.0] by −0.05% to 0, 2e−06, 1-0.00, ViT-B-32, 20-30 and −0.001."
    )


def test_small_denominators_are_told_if_items_are_given(section):
    assert not [s for s in section.sentences if s.startswith("Caution")]
    items = pd.DataFrame({"segment": ["correct", "correct"], "d": [0.01, 2.0]})
    (caution,) = [s for s in replace(section, items=items).sentences if s.startswith("Caution")]
    assert "in 1 of 2 items" in caution


def test_notices_for_the_demo_world_and_for_random_weights(section):
    demo = replace(section, kind="scenes")
    random = replace(section, identity={"random": True})
    texts = [Page(render("", [s], "")).text for s in (section, demo, random)]
    assert [sections.DEMO_NOTICE in text for text in texts] == [False, True, False]
    assert [vocabulary.CONTROLS["random"].notice in text for text in texts] == [False, False, True]
    assert "nothing about OpenAI's CLIP" in sections.DEMO_NOTICE


def test_an_assumed_activation_is_said_once_more(section):
    assumed = replace(section, identity={"activation_assumed": "GELU, as the architecture has it"})
    (notice,) = [n for n in assumed.notices if "Assumed" in n]
    assert "GELU, as the architecture has it" in notice
    known = replace(section, identity={"activation_assumed": None})
    assert not [n for n in known.notices if "Assumed" in n]


@pytest.mark.parametrize("kind", vocabulary.FIGURES)
def test_every_known_figure_has_a_caption(kind, section):
    paragraphs = pictures.caption(kind)
    assert len(paragraphs) >= 2
    assert all(len(paragraph.split()) > 8 for paragraph in paragraphs)
    shown = replace(section, figures={kind: next(iter(section.figures.values()))})
    of_all = ["Of 490 items, 280 distinct pairs of sentences."] * vocabulary.FIGURES[kind].of_run
    assert [picture.caption for picture in shown.pictures] == [[*paragraphs, *of_all]]
    text = " ".join(Page(render("", [shown], "")).text.split())
    assert (paragraphs[0] in text) == bool(shown.plain_pictures)


def test_an_unknown_figure_is_shown_with_its_name(section, tmp_path):
    path = tmp_path / "flow_chart.png"
    path.write_bytes(b"not really a picture")
    known = section.pictures
    *others, last = replace(section, figures={"flow_chart": path, **section.figures}).pictures
    assert others == known
    assert (last.title, last.caption) == ("flow chart", [])
    assert last.source.startswith("data:image/png;base64,")


def test_nothing_excluded_is_said_too(section):
    nobody = replace(section, excluded=pd.DataFrame({"item_id": [], "reason": []}))
    assert re.search(r"Items left out\s+none", Page(render("", [nobody], "")).text)


def test_captions_have_no_markup_that_would_show():
    for path in Path(pictures.CAPTIONS).glob("*.rst"):
        assert not re.search(r"[`*_<>]|::|\.\. ", path.read_text()), path


def comparison(tmp_path: Path, **columns) -> Comparison:
    figure = tmp_path / "ledger.svg"
    figure.write_text(SVG.format("ledger"))
    row = {
        "figure": "accuracy",
        "verdict": "deviates",
        "n": 6,
        "n_replicates": 4,
        "n_deviates": 2,
        "n_not_comparable": 0,
        "n_near_zero": 0,
        "tolerance": 0.01,
        "largest_deviation": 0.2,
        "cell": "accuracy, foil",
        "n_structural": 7,
        "n_structural_deviates": 0,
        "reasons": None,
    }
    return Comparison("valse", EVIL, pd.DataFrame([row | columns]), None, figure)


def test_published_results_are_shown_with_their_verdicts(section, tmp_path):
    page = Page(render("A study", [section], "", [comparison(tmp_path)]))
    assert "Overall: does not replicate: 0 of 1 figures replicate; 1 deviate" in page.text
    assert "4 of 6 values replicate within 0.01" in page.text
    assert "largest deviation 0.2: accuracy, foil" in page.text
    assert f"{EVIL} on valse" in page.text
    assert "Beside published results" not in Page(render("A study", [section], "")).text


def test_what_cannot_be_compared_is_said_in_one_line(section, tmp_path):
    lacking = comparison(
        tmp_path,
        verdict="not comparable",
        n_replicates=0,
        n_deviates=0,
        n_not_comparable=6,
        reasons="another model",
    )
    text = Page(render("A study", [section], "", [lacking])).text
    assert "Not comparable: another model." in text
    assert "replicate" not in text.split("Not comparable")[1].split("Definitions")[0]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["resid.affirm", "resid.negate", "head.negate"], "resid.negate"),
        (["head.negate", "resid.affirm"], "resid.affirm"),
        (["head.negate", "residual.negate"], None),
    ],
)
def test_the_headline_is_of_the_sites_map_in_direction_negate(section, names, chosen):
    maps = {name: resid().assign(of=name) for name in names}
    found = replace(section, maps=maps).first_map("resid")
    assert (None if found is None else set(found["of"])) == (chosen and {chosen})


def test_reasons_of_exclusion_are_counted_the_most_frequent_first(section):
    reasons = ["b", "a", "c", "c", "a", "c"]
    excluded = pd.DataFrame({"item_id": list("uvwxyz"), "reason": reasons})
    assert replace(section, excluded=excluded).excluded_counts == [("c", 3), ("a", 2), ("b", 1)]


@pytest.mark.parametrize("site", vocabulary.SITES.values(), ids=lambda site: site.name)
def test_captions_of_maps_say_which_family_their_marks_are_of(site):
    text = " ".join(pictures.caption(site.figure))
    assert re.search("hatched.*family-wise over (all cells of )?the map", text)
    assert "sentences of the report correct over all maps of the model" in text
    assert "few clusters: fewer than 50" in text


def test_other_choices_are_shown_with_their_figure(section, tmp_path):
    figure = tmp_path / "specification.svg"
    figure.write_text(SVG.format("curve"))
    curve = pd.DataFrame(
        {"specification": [1, 2], "layer": 4, "head": 2, "rank": [1, 5], "n_heads": 24}
    )
    page = Page(render("", [section], "", choices=[Choices("valse", EVIL, curve, figure)]))
    assert f"{EVIL} on valse" in page.text
    assert "over 2 specifications: head 2 of block 4 in 50% (worst rank 5)" in page.text
    assert len(page.all("img")) == len(section.plain_pictures) + 1
    none = Page(render("", [section], "", choices=[Choices("v", "m", curve[:0], figure)]))
    assert "No head is named" in none.text
    assert len(none.all("img")) == len(section.plain_pictures)
    assert "Under other choices" not in Page(render("", [section], "")).text
