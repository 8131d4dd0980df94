"""What others find the project by: citation, catalog, configuration page, and what CI runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text())
    for path in (ROOT / ".github" / "workflows").glob("*.yml")
}


def commands(workflow: str) -> list[str]:
    jobs = WORKFLOWS[workflow]["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert f"\n## {citation['version']}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_the_page_of_the_configuration_has_every_section():
    page = (ROOT / "config" / "README.md").read_text()
    sections = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(sections)


def test_continuous_integration_runs_the_commands_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    promised = re.findall(r"^(make \w+) +#", readme.split("## Two commands")[1], re.MULTILINE)
    assert promised == ["make demo", "make test"]
    assert [line for line in commands("ci") if line.startswith("make ")] == promised
    versions = WORKFLOWS["ci"]["jobs"]["readme"]["strategy"]["matrix"]["python"]
    assert f">={versions[0]}" == PROJECT["requires-python"]


def test_targets_that_workflows_make_are_there():
    makefile = (ROOT / "Makefile").read_text()
    for workflow in WORKFLOWS:
        for target in re.findall(r"\bmake ([a-z][\w-]+)", "\n".join(commands(workflow))):
            assert f"\n{target}:" in makefile, target


def test_the_oldest_snakemake_that_is_tried_is_the_one_that_is_asked_for():
    oldest = re.search(r"snakemake==([\d.]+)\"/' pyproject", "\n".join(commands("scheduled")))[1]
    assert f'min_version("{oldest.removesuffix(".0")}")' in (ROOT / "Snakefile").read_text()


def test_the_catalog_says_what_can_be_done():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"] is True
    reports = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert usage["report"] is ("report(" in reports)
