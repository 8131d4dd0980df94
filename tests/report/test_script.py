"""The report's script: the page holds what the sources in page/ give, and they are sound."""

from __future__ import annotations

import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from negtrace.report.page import TEMPLATES

SOURCES = Path(__file__).parents[2] / "page"
BUILT = ("report.js", "report.js.LICENSES.txt")

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
needs_packages = pytest.mark.skipif(
    not (SOURCES / "node_modules/esbuild").is_dir(),
    reason="the script's packages are not installed: make page",
)


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_was_built_from_the_sources_that_are_there():
    names = [f"src/{path.name}" for path in (SOURCES / "src").iterdir()]
    found = sha256()
    for name in sorted([*names, "build.js", "package-lock.json"]):
        found.update(f"{name}\n".encode() + (SOURCES / name).read_bytes())
    first = (TEMPLATES / "report.js").read_text().partition("\n")[0]
    assert first == f"/* of page/: {found.hexdigest()} */", "run make page"


@needs_node
def test_its_own_tests_pass():
    assert re.search(r"(#|ℹ) fail 0", run("node", "--test"))


@needs_node
@needs_packages
def test_it_is_typed_and_linted():
    run("npm", "run", "check")


@needs_node
@needs_packages
def test_the_page_holds_what_the_sources_give(tmp_path):
    run("node", "build.js", str(tmp_path))
    for name in BUILT:
        assert (tmp_path / name).read_bytes() == (TEMPLATES / name).read_bytes(), "run make page"


def test_no_address_outside_is_in_it():
    addresses = set(re.findall(r"https?://[^\s\"'`)]+", (TEMPLATES / "report.js").read_text()))
    assert {a for a in addresses if not a.startswith("http://www.w3.org/")} == set()


def test_it_cannot_end_the_element_that_holds_it():
    assert "</script" not in (TEMPLATES / "report.js").read_text().lower()
