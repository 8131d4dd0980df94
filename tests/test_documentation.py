"""What the documentation says of files, names and configurations is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from negtrace.study.dataset_kinds import kinds
from negtrace.study.settings import schema
from negtrace.study.step_source import steps
from negtrace.vocabulary import DIRECTIONS, FIGURES, SITES

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import hooks  # noqa: E402

TABLES = json.loads((ROOT / "workflow/schemas/tables.json").read_text())["tables"]
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / page for page in hooks.ELSEWHERE.values()),
]
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
OF_A_SWEEP = re.compile(rf"\.(?:{'|'.join(SITES)})\.(?:{'|'.join(DIRECTIONS)})\.")
ROW = re.compile(r"^\| (.+?) \| (.+) \|$", re.MULTILINE)


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def yaml_blocks() -> list:
    return [
        pytest.param(block, id=f"{page_id(page)}-{number}")
        for page in PAGES
        for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S))
    ]


@cache
def documented() -> dict[str, str]:
    """Kind of table, or nothing, by file pattern below results/."""
    found, folder = {}, ""
    for line in (ROOT / "results/README.md").read_text().splitlines():
        if line.startswith("## "):
            folder = "" if line == "## results" else f"{line[3:]}/"
        elif entry := re.fullmatch(r"\| `(.+?)` \| (?:`(\w+)`)? ?\| .+ \|", line):
            found[folder + entry[1]] = entry[2] or ""
    return found


@cache
def rule_outputs() -> dict[str, dict[str, str]]:
    """Output patterns of every rule, as Snakemake reads them."""
    script = ROOT / "tests/workflow/rule_outputs.py"
    said = subprocess.run(
        [sys.executable, script, ROOT], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    of_any = OF_A_SWEEP.sub(".{site}.{direction}.", said.stdout)
    return json.loads(of_any)


def test_every_file_of_every_rule_is_documented_and_no_other():
    written = set()
    for outputs in rule_outputs().values():
        for path in outputs.values():
            name = path.removeprefix("results/").replace(".png", ".svg")
            written.add(re.sub(r"figures/.*", "figures/", name))
    of_jobs = {
        name for name in documented() if name.endswith("/") and not name.endswith("figures/")
    }
    assert written == set(documented()) - of_jobs


def test_every_table_is_documented_as_what_its_step_writes():
    for name, step in steps().items():
        for output, kind in step.tables.items():
            if not name.startswith("gather"):  # rules of sweeps in several parts only
                path = rule_outputs()[name][output].removeprefix("results/")
                assert documented()[path] == kind, path
    assert set(filter(None, documented().values())) == set(TABLES)


def test_the_pages_of_columns_and_names_hold_all_of_them():
    columns, names = hooks.columns(), hooks.names()
    for table, entry in TABLES.items():
        section = columns.split(f"\n## {table}\n")[1].split("\n## ")[0]
        for column in [*entry["columns"], *entry.get("shared", ())]:
            assert f"| `{column}` |" in section, (table, column)
    for records in (
        hooks.vocabulary.ROLES,
        hooks.vocabulary.SITES,
        hooks.vocabulary.CONTROLS,
        hooks.vocabulary.DONORS,
    ):
        assert all(f"| `{name}` |" in names for name in records)


def test_keys_that_the_documentation_names_are_in_the_configuration():
    """Of `compute.threads` and the like; models and datasets have names of the user's."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    sections = {name: of for name, of in config.items() if name not in ("models", "datasets")}
    named = re.compile(rf"`({'|'.join(sections)})\.(?!parquet|py|csv)(\w+)(?:`|: )")
    found = [(page, *key) for page in PAGES for key in named.findall(page.read_text())]
    assert len({(section, key) for _, section, key in found}) > 20
    for page, section, key in found:
        assert key in sections[section], f"{page_id(page)}: {section}.{key}"


def test_the_gallery_shows_every_figure_and_is_small():
    pictures = {path.stem: path.stat().st_size for path in hooks.GALLERY.glob("*.png")}
    assert set(pictures) == set(FIGURES)
    assert sum(pictures.values()) < 1_000_000


def test_a_row_of_what_to_touch_names_three_files_that_say_so():
    section = (ROOT / "CONTRIBUTING.md").read_text().split("## To add X")[1].split("\n## ")[0]
    rows = dict(ROW.findall(section))
    wanted = ("site", "effect size", "figure", "dataset format", "model family", "control")
    assert {f"a {what}" for what in (*wanted, "confirmation", "table")} <= {
        row.replace("an ", "a ") for row in rows
    }
    for what, touched in rows.items():
        if what in ("to add", "---"):
            continue
        files = re.findall(r"`([\w./]+)` \(`([^`]+)`\)", touched)
        assert 1 <= len(files) <= 3, what
        for file, term in files:
            assert term in (ROOT / file).read_text(), (what, file, term)


def test_the_tour_names_what_is_there():
    tour = (ROOT / "CONTRIBUTING.md").read_text().split("## A tour")[1].split("\n## ")[0]
    assert "segments" in steps()
    for name, file in re.findall(r"`(\w+)`[^`\[]*\[[^\]]+\]\(([^)]+)\)", tour):
        assert name in (ROOT / file).read_text(), (name, file)


def test_the_tour_gives_the_order_that_imports_are_checked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (layers,) = (c["layers"] for c in project["tool"]["importlinter"]["contracts"] if "layers" in c)
    listed = (ROOT / "CONTRIBUTING.md").read_text().split("before it: ")[1].split(".\n")[0]
    assert re.findall(r"`(\w+)`", listed) == layers[::-1]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_every_page_is_in_the_sites_contents():
    listed = re.findall(r"\w[\w/]*\.md", json.dumps(SITE["nav"]))
    made = {"columns.md", "names.md", "gallery.md", *hooks.ELSEWHERE}
    assert set(listed) == made | {
        page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")
    }


def test_links_between_pages_are_those_of_the_site():
    text = "[a](docs/studies.md#x) ![b](docs/gallery/c.png) [d](config.yaml) [e](https://f.g/h)"
    there = "[a](studies.md#x) ![b](gallery/c.png) d [e](https://f.g/h)"
    assert hooks.linked(text, "index.md") == there
    assert hooks.linked("[a](../../README.md)", "bench/bench.md") == "[a](../index.md)"
    assert hooks.linked("[a](../benchmarks/README.md)", "times.md") == "[a](benchmarks.md)"


@pytest.mark.parametrize("block", yaml_blocks())
def test_configurations_that_pages_show_are_valid(block):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for section, entries in yaml.safe_load(block.replace("…", "x")).items():
        config[section] |= entries
    errors = [error.message for error in Draft202012Validator(schema()).iter_errors(config)]
    assert not errors


STUDIES = sorted((ROOT / "workflow/studies").glob("*.yaml"))


def test_every_kind_of_benchmark_has_a_study_and_a_line():
    studied = {
        entry["kind"]
        for path in STUDIES
        for entry in yaml.safe_load(path.read_text()).get("datasets", {}).values()
    }
    own = {"table", "reader"}
    assert set(kinds()) - own <= studied
    page = (ROOT / "docs/data.md").read_text()
    assert all(f"`{kind}`" in page for kind in set(kinds()) - own)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_pages_name_only_modules_that_are_there(page):
    for module in re.findall(r"(?:from|python -m) (negtrace\.[\w.]+)", page.read_text()):
        path = ROOT / "workflow" / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), module


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "workflow/negtrace/py.typed").is_file()
    assert '"py.typed"' in (ROOT / "pyproject.toml").read_text()


def test_the_readme_fits_two_screens():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 110
