"""The report in a real browser: Chromium, from a file, without a network."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from page_samples import ITEMS, small_report
from PIL import Image

from negtrace.report import page as pages

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")

VIEWS = ("map", "items", "attention", "circuit", "figures")
TAKEN = ("Data as CSV", "Data as LaTeX", "Picture as SVG", "Picture as PNG", "Link to this view")
HEADS = "#explore?model=big&site=head"
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    path = folder / "report.html"
    path.write_text(small_report(folder).html, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser, report) -> Iterator[Open]:
    """Opens the report; after the test nothing was asked for and nothing was complained of."""
    heard: list[str] = []
    contexts = []

    def visit(address: str = "", width: int = 1280, path: Path = report, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: heard.append(request.url))
        page.goto(f"file://{path}{address}")
        if options.get("java_script_enabled", True):
            page.wait_for_selector("#explorer[data-state=drawn]")
        assert heard.pop(0).startswith("file://")
        return page

    yield visit
    for context in contexts:
        context.close()
    beside = f"file://.*/({pages.BESIDE}/[^/]*.js|histogram_of_d.svg)|(data|blob):.*"
    assert [what for what in heard if not re.fullmatch(beside, what)] == []


def asked(page: Any) -> dict[str, str]:
    """The explorer's state in the address."""
    return {name: value for name, (value,) in parse_qs(urlsplit(page.url).fragment[8:]).items()}


def drawn(page: Any, view: str) -> None:
    page.wait_for_selector(f'[role=tab][name="view-{view}"][aria-selected=true]')


def saved(page: Any, name: str, of: str = "#explore figure >> nth=0") -> bytes:
    with page.expect_download() as waiting:
        page.locator(of).get_by_role("button", name=name).click()
    return Path(waiting.value.path()).read_bytes()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_blank_cut_or_on_top_of_another(opened, view, width, scheme):
    page = opened(f"{HEADS}&cell=1.2&view={view}", width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    picture = Image.open(io.BytesIO(page.locator("#explore").screenshot())).convert("RGB")
    pixels = np.asarray(picture)
    paper = (255, 255, 255) if scheme == "light" else (0x15, 0x18, 0x1D)
    is_paper = (pixels == paper).all(axis=2)
    assert 0.3 < is_paper.mean() < 0.98
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
    meeting = page.evaluate(
        """() => [...document.querySelectorAll("#explore svg")].flatMap((svg) => {
            const boxes = [...svg.querySelectorAll("text")].filter((one) => one.textContent.trim())
                .map((one) => [one.textContent, one.getBoundingClientRect()]);
            return boxes.flatMap(([a, one], n) => boxes.slice(n + 1)
                .filter(([b, other]) => one.left + 1 < other.right && other.left + 1 < one.right
                    && one.top + 2 < other.bottom && other.top + 2 < one.bottom)
                .map(([b]) => `${a} on ${b}`));
        })"""
    )
    assert meeting == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_no_serious_fault(opened, view, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = opened(f"{HEADS}&cell=1.2&view={view}", color_scheme=scheme)
    found = axe.run(page).response["violations"]
    serious = [
        (fault["id"], [node["target"] for node in fault["nodes"][:3]])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_the_grid_is_moved_over_by_keys_and_pinned(opened):
    page = opened(HEADS)
    page.locator("#explore g.cell[tabindex='0']").focus()
    for key, place in (
        ("ArrowRight", ("0", "1")),
        ("ArrowDown", ("1", "1")),
        ("ArrowLeft", ("1", "0")),
        ("ArrowUp", ("0", "0")),
        ("ArrowUp", ("0", "0")),
        ("ArrowDown", ("1", "0")),
    ):
        page.keyboard.press(key)
        held = page.evaluate(
            "[document.activeElement.dataset.row, document.activeElement.dataset.column]"
        )
        assert tuple(held) == place
    assert page.locator(".panel h3").inner_text() == "Head 2 of block 1"
    page.keyboard.press("Enter")
    page.wait_for_selector(".items-of-cell")
    assert asked(page)["cell"] == "1.2"
    assert f"its {ITEMS} items" in page.locator(".items-of-cell h3").first.inner_text()
    assert page.evaluate("document.activeElement.dataset.row") == "1"
    page.keyboard.press("Enter")
    page.wait_for_selector(".items-of-cell", state="detached")
    assert "cell" not in asked(page)


def test_pointing_at_a_cell_shows_the_tables_numbers(opened):
    page = opened(HEADS)
    page.locator('#explore g.cell[data-row="1"][data-column="0"]').hover()
    table = pd.read_csv(io.BytesIO(saved(page, "Data as CSV")))
    row = table[(table["layer"] == 1) & (table["head"] == 2)].iloc[0]
    assert 0.5 < row["ratio"] < 0.7
    facts = page.locator(".panel .facts").inner_text().replace("−", "-")
    assert f"{row['ratio']:.3f}" in facts
    assert f"{row['ratio_ci_low']:.2f} to {row['ratio_ci_high']:.2f}" in facts
    assert len(table) == 12
    assert set(table["segment"]) == {"all"}


def test_a_view_is_in_its_address_and_comes_back_from_it(opened):
    page = opened()
    page.select_option("select[name=model]", "small")
    page.select_option("select[name=site]", "head")
    page.select_option("select[name=negation]", "foil")
    page.select_option("select[name=effect]", "difference")
    page.locator("input[name=scale]").check()
    page.wait_for_function("document.querySelector('input[name=scale]').checked")
    wanted = {
        "model": "small",
        "site": "head",
        "negation": "foil",
        "effect": "difference",
        "scale": "own",
    }
    assert wanted.items() <= asked(page).items()
    again = opened("#" + urlsplit(page.url).fragment)
    for name in ("model", "site", "negation", "effect"):
        assert again.locator(f"select[name={name}]").input_value() == wanted[name]
    assert again.locator("input[name=scale]").is_checked()
    shown = [one.locator("#explore svg.grid").inner_html() for one in (page, again)]
    assert shown[0] == shown[1]
    again.evaluate("location.hash = '#explore?view=items&text=green'")
    drawn(again, "items")
    assert again.locator("input[name=text]").input_value() == "green"


def test_the_scale_is_fixed_until_it_is_asked_for_its_own(opened):
    page = opened("#explore?model=small&site=head")
    ends = page.locator("#explore .legend span").first
    assert ends.inner_text() == "−1"
    page.locator("input[name=scale]").check()
    page.wait_for_selector("#explore .legend >> text=(own scale)")
    assert ends.inner_text() != "−1"


def test_items_are_searched_filtered_and_brushed(opened):
    page = opened("#explore?model=big&view=items")

    def count() -> int:
        return int(page.locator(".count").inner_text().split()[0])

    assert count() == ITEMS
    page.fill("input[name=text]", "green squares")
    page.keyboard.press("Enter")
    page.wait_for_function(f"!document.querySelector('.count').textContent.startsWith('{ITEMS} ')")
    assert count() == ITEMS // 3
    page.select_option("select[name=negation]", "caption")
    page.wait_for_function(
        f"document.querySelector('.count').textContent.startsWith('{ITEMS // 6} ')"
    )
    page.evaluate("location.hash = '#explore?model=big&view=items'")
    page.wait_for_function(f"document.querySelector('.count').textContent.startsWith('{ITEMS} ')")
    box = page.locator("#explore .brush .overlay").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 30, steps=4)
    page.mouse.up()
    page.wait_for_function("location.hash.includes('from=')")
    page.wait_for_function(f"!document.querySelector('.count').textContent.startsWith('{ITEMS} ')")
    least = float(asked(page)["from"])
    data = pd.read_csv(io.BytesIO(saved(page, "Data as CSV")))
    assert count() == (data["d"] >= least).sum() < ITEMS


def test_what_a_figure_gives_can_be_read(opened):
    page = opened(f"{HEADS}&cell=1.2")
    svg = ElementTree.fromstring(saved(page, "Picture as SVG"))
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    assert not re.search("var\\(|color-mix|oklab", ElementTree.tostring(svg, encoding="unicode"))
    assert Image.open(io.BytesIO(saved(page, "Picture as PNG"))).size[0] > 500
    latex = saved(page, "Data as LaTeX").decode()
    assert latex.startswith("\\begin{tabular}{")
    assert latex.count("\\\\\n") == 13
    strip = pd.read_csv(io.BytesIO(saved(page, "Data as CSV", ".items-of-cell figure")))
    assert len(strip) == ITEMS
    assert np.allclose(strip["change"] / strip["d"], strip["restoration"], atol=1e-3)


def test_maps_in_small_are_taken_as_one_picture(opened, tmp_path):
    page = opened()
    below = "#comparison .multiples + div"
    svg = ElementTree.fromstring(saved(page, "Picture as SVG", below))
    maps = page.locator(".multiples figure")
    drawn_maps = svg.findall("{http://www.w3.org/2000/svg}svg")
    assert len(drawn_maps) == maps.locator("svg").count() > 1
    words = [text.text for text in svg.findall("{http://www.w3.org/2000/svg}text")]
    assert (
        " ".join(words).split() == " ".join(maps.locator("p, figcaption").all_inner_texts()).split()
    )
    picture = Image.open(io.BytesIO(saved(page, "Picture as PNG", below)))
    box = page.locator(".multiples").bounding_box()
    assert picture.size == (round(3 * box["width"]), round(3 * box["height"]))
    for one in drawn_maps:
        left, top, width, height = (3 * float(one.get(n)) for n in ("x", "y", "width", "height"))
        part = picture.convert("RGB").crop((left, top, left + width, top + height))
        assert len(part.getcolors(1 << 20)) > 8


def test_a_head_opens_its_attention(opened):
    page = opened(f"{HEADS}&cell=1.2")
    page.get_by_role("button", name="Attention of head 2 of block 1").click()
    drawn(page, "attention")
    assert page.locator("select[name=head]").input_value() == "1.2"
    cells = page.locator(".attention tbody tr").last.locator("th, td").all_inner_texts()
    assert cells[:3] == ["EOT", "EOT", "0.90"]
    overview, whole = page.locator("#view figure").nth(1), page.locator("#view figure").nth(2)
    assert overview.locator("g.cell").count() == 12
    assert page.locator("optgroup").first.locator("option").count() == 9
    seen = pd.read_csv(io.BytesIO(saved(page, "Data as CSV", "#view figure >> nth=2")))
    from_last = seen[(seen["query_position"] == 7) & (seen["difference"] != 0)]
    assert from_last[["key", "difference"]].to_numpy().tolist() == [["no", 1], ["EOT", -1]]
    assert whole.locator("g.cell[aria-label='From EOT to no: 1.00']").count() == 1
    page.select_option("select[name=shown]", "affirmative")
    page.wait_for_selector("g.cell[aria-label='From EOT to EOT: 1.00']")
    page.locator("#view figure").nth(1).locator("g.cell[data-row='0'][data-column='1']").click()
    page.wait_for_function("document.querySelector('select[name=head]').value === '2.1'")
    before = page.locator("select[name=pair]").input_value()
    page.get_by_role("button", name="next pair").click()
    page.wait_for_function(f"document.querySelector('select[name=pair]').value !== '{before}'")


def test_the_circuit_is_moved_along_pinned_and_filtered(opened):
    page = opened("#explore?model=big&view=circuit")
    edges = page.locator("#explore g.edge")
    assert edges.count() == 6
    page.locator("#explore g.edge[tabindex='0']").focus()
    assert page.locator(".panel h3").inner_text() == "From 1.2 into read-out, at EOT"
    page.keyboard.press("ArrowDown")
    assert (
        page.locator(".panel h3").inner_text().startswith("From embedding into the values of 1.2")
    )
    page.keyboard.press("Enter")
    page.wait_for_selector(".items-of-cell")
    assert asked(page)["edge"] == "embedding>1.2.v@determiner"
    held = "document.activeElement.dataset.edge"
    assert page.evaluate(held) == "embedding>1.2.v@determiner"
    table = pd.read_csv(io.BytesIO(saved(page, "Data as CSV")))
    second = table.iloc[1]
    assert second[["sender", "receiver", "role"]].tolist() == ["embedding", "1.2.v", "determiner"]
    assert f"{second['ratio']:.3f}" in page.locator(".panel .facts").inner_text()
    strip = pd.read_csv(io.BytesIO(saved(page, "Data as CSV", ".items-of-cell figure")))
    assert len(strip) == ITEMS
    assert strip["change"].sum() / strip["d"].sum() == pytest.approx(second["ratio"], abs=2e-3)
    page.select_option("select[name=edges]", "tested")
    page.wait_for_function("document.querySelectorAll('#explore g.edge').length === 7")
    assert page.locator("#explore g.edge.weak").count() == 1
    page.select_option("select[name=component]", "mlp.2")
    page.wait_for_function("document.querySelectorAll('#explore g.edge').length === 1")
    assert page.locator("#explore g.edge.negative").count() == 1
    page.locator("#explore g.node", has_text="mlp.2").click()
    page.wait_for_function("document.querySelectorAll('#explore g.edge').length === 7")
    assert "component" not in asked(page)
    page.locator("#explore .edges summary").click()
    page.get_by_role("button", name="From 2.1 into read-out, at EOT").click()
    page.wait_for_selector(".items-of-cell")
    page.get_by_role("button", name="Attention of head 1 of block 2").click()
    drawn(page, "attention")
    assert page.locator("select[name=head]").input_value() == "2.1"


def test_a_run_without_edges_has_no_circuit(opened):
    page = opened("#explore?model=small&view=circuit")
    drawn(page, "map")
    assert page.locator("[name=view-circuit]").count() == 0


def test_the_comparison_sorts_and_keeps_controls_with_their_own(opened):
    page = opened()
    models = page.locator(".compared tbody td:nth-child(2)")
    assert models.all_inner_texts() == ["big", "big-random", "small"]
    accuracy = page.get_by_role("button", name="mean d")
    accuracy.click()
    assert models.all_inner_texts() == ["big", "big-random", "small"]
    accuracy.click()
    assert models.all_inner_texts() == ["small", "big", "big-random"]
    assert page.locator(".multiples svg").count() == 2
    assert "No share" in page.locator(".multiples figure").last.inner_text()
    page.select_option("select[name=up]", "2")
    page.wait_for_selector("#comparison figure [aria-label*='big-random']")


def test_models_stand_beside_one_another(opened):
    page = opened("#models")
    names = page.locator("table.atlas tbody th")
    assert names.all_inner_texts() == ["big", "small", "big-random"]
    page.get_by_role("button", name="parameters, M").click()
    assert names.all_inner_texts() == ["big-random", "small", "big"]
    assert page.locator("#atlas figure").count() == 6
    matches = page.locator("#atlas figure", has_text="Heads by function")
    assert matches.locator("g.cell text").first.text_content() == "1.2"
    data = pd.read_csv(io.BytesIO(saved(page, "Data as CSV", "#atlas figure >> nth=3")))
    assert data[["model", "layer", "head"]].to_numpy().tolist() == [["small", 1, 2]]
    changed = pd.read_csv(io.BytesIO(saved(page, "Data as CSV", "#atlas figure >> nth=5")))
    assert len(changed) == 12
    page.locator("#atlas figure svg").first.hover()


def test_every_figure_has_its_data_picture_link_and_path(opened):
    page = opened(f"{HEADS}&cell=1.2")
    for view in VIEWS:
        page.locator(f"[name=view-{view}]").click()
        drawn(page, view)
        for figure in page.locator("#models figure, #explore figure, #comparison > figure").all():
            row = figure.locator(".tools")
            assert [row.get_by_role("button", name=name).count() for name in TAKEN] == [1] * 5
            assert row.locator("code").first.inner_text()
    beside = page.locator(".multiples + div .tools, [data-name=compared] .tools, .panel .tools")
    assert beside.get_by_role("button", name="CSV").count() >= 2


def test_printing_opens_what_is_closed_and_cuts_nothing(opened):
    page = opened(color_scheme="dark")
    closed = page.locator("details:not([open])").count()
    assert closed > 2
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    cut = """[...document.querySelectorAll("pre, .wide")]
        .filter((one) => getComputedStyle(one).overflowX !== "visible").length"""
    assert page.evaluate(cut) == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == closed
    assert page.pdf().startswith(b"%PDF")


def test_contents_are_a_drawer_on_a_phone(opened):
    phone, desk = opened(width=390), opened(width=1280)
    assert desk.get_by_role("link", name="Explorer", exact=True).is_visible()
    assert not phone.get_by_role("link", name="Explorer", exact=True).is_visible()
    phone.locator("#contents summary").click()
    phone.get_by_role("link", name="Explorer", exact=True).click()
    assert not phone.get_by_role("link", name="Explorer", exact=True).is_visible()


def test_without_scripts_the_verdict_and_every_map_are_there(opened):
    page = opened(java_script_enabled=False)
    assert page.locator("#verdict h2").is_visible()
    assert page.locator("noscript table.map, #said table.map").count() == 6
    assert not page.locator("#explore").is_visible()
    for one in page.locator("details.section").all():
        assert one.locator("summary").first.is_visible()


def test_a_large_report_has_its_data_beside_it(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "LARGEST_PAGE", 0)
    made = small_report(tmp_path)
    path = tmp_path / "report.html"
    path.write_text(made.html)
    (tmp_path / pages.BESIDE).mkdir()
    for name, text in made.beside.items():
        (tmp_path / name).write_text(text)
    page = opened(path=path)
    assert page.locator("#explore svg.grid g.cell").count() == 32
    assert "block-study" in made.html
    assert len(made.beside) == 3 * 6 + 1 + 1  # the one with edges
