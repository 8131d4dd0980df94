"""The report's script: the page holds what the sources in page/ give, and they are sound."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from negtrace.report.page import TEMPLATES

SOURCES = Path(__file__).parents[2] / "page"
BUILT = ("report.js", "report.js.LICENSES.txt")

if shutil.which("node") is None:
    pytest.skip("node is not installed", allow_module_level=True)


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def packages() -> None:
    if not (SOURCES / "node_modules/esbuild").is_dir():
        pytest.skip("the script's packages are not installed: make page")


def test_its_own_tests_pass():
    assert re.search(r"(#|ℹ) fail 0", run("node", "--test"))


@pytest.mark.usefixtures("packages")
def test_it_is_typed_and_linted():
    run("npm", "run", "check")


@pytest.mark.usefixtures("packages")
def test_the_page_holds_what_the_sources_give(tmp_path):
    run("node", "build.js", str(tmp_path))
    for name in BUILT:
        assert (tmp_path / name).read_bytes() == (TEMPLATES / name).read_bytes(), "run make page"


def test_no_address_outside_is_in_it():
    addresses = set(re.findall(r"https?://[^\s\"'`)]+", (TEMPLATES / "report.js").read_text()))
    assert {a for a in addresses if not a.startswith("http://www.w3.org/")} == set()


def test_it_cannot_end_the_element_that_holds_it():
    assert "</script" not in (TEMPLATES / "report.js").read_text().lower()
