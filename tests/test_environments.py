"""Versions are pinned once, and conda environments hold what their rules import."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from negtrace.study import code_hash

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RULES = "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))

# conda-forge's names of packages, where they differ from PyPI's.
CONDA_NAMES = {
    "torch": "pytorch",
    "open_clip_torch": "open-clip-torch",
    "matplotlib": "matplotlib-base",
}
# Names that are imported, where they differ from conda's names of packages.
IMPORT_NAMES = {
    "pytorch": "torch",
    "open-clip-torch": "open_clip",
    "matplotlib-base": "matplotlib",
    "pillow": "PIL",
    "pyyaml": "yaml",
}


def python_pins() -> dict[str, str]:
    """Version by package, under conda's names."""
    extras = PROJECT["optional-dependencies"]["transformers"]
    pins = dict(requirement.split("==") for requirement in [*PROJECT["dependencies"], *extras])
    return {CONDA_NAMES.get(name, name): version for name, version in pins.items()}


def conda_pins(environment: str) -> dict[str, str]:
    listed = yaml.safe_load((ROOT / f"envs/{environment}.yaml").read_text())["dependencies"]
    return dict(re.fullmatch(r"(\S+) =(\S+)", entry).groups() for entry in listed)


ENVIRONMENTS = {"ANALYSIS": "analysis", "TORCH": "torch", "INPUTS": "inputs"}


def rules() -> dict[str, tuple[str, str]]:
    """(environment, step) of every rule."""
    found = {}
    for body in re.split(r"^ *rule ", RULES, flags=re.MULTILINE)[1:]:
        environment = re.search(r"conda:\s+(\w+)", body)
        step = re.search(r'(?:shell|shown)_line\("(\w+)"[,)]', body)
        found[body.split(":")[0]] = (ENVIRONMENTS[environment[1]], step[1])
    return found


@cache
def packages_of_any_job() -> frozenset[str]:
    """Of the packages that some environment lacks, those that any job imports to begin with."""
    script = "import sys, negtrace.steps.job; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    return frozenset(name for name in ("torch", "open_clip", "pandas", "pyarrow") if name in loaded)


def imported_packages(step: str) -> set[str]:
    """Third-party packages that a step's job imports anywhere."""
    own = code_hash.own_definitions(step)
    sources = [
        code_hash.module_file(module).read_text() for module in code_hash.closure(own.imported)
    ]
    names = set(packages_of_any_job())
    for source in (*sources, *map(dedent, own.sources.values())):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"negtrace"}


def test_every_dependency_is_pinned():
    extras = [entry for extra in PROJECT["optional-dependencies"].values() for entry in extra]
    for requirement in [*PROJECT["dependencies"], *extras]:
        assert re.fullmatch(r"[\w-]+==[\w.]+", requirement), requirement


@pytest.mark.parametrize("environment", ["torch", "analysis", "inputs"])
def test_conda_environments_repeat_the_pins(environment):
    pins = conda_pins(environment)
    assert pins.pop("python") >= "3.11"
    assert pins.items() <= python_pins().items()


@pytest.mark.parametrize("rule", sorted(rules()))
def test_environments_hold_what_their_rules_import(rule):
    environment, step = rules()[rule]
    installed = {IMPORT_NAMES.get(name, name) for name in conda_pins(environment)}
    assert imported_packages(step) <= installed


@pytest.mark.parametrize("rule", sorted(rules()))
def test_the_hash_of_a_rule_is_that_of_its_own_step(rule):
    body = re.search(rf"^ *rule {rule}:(.*?)(?=^ *rule |\Z)", RULES, re.DOTALL | re.MULTILINE)[1]
    assert re.search(r'code_hash\("(\w+)"\)', body)[1] == rules()[rule][1]


def test_profiles_name_only_rules_that_exist():
    for profile in (ROOT / "profiles").glob("*/config.yaml"):
        settings = yaml.safe_load(profile.read_text())
        assert set(settings.get("set-resources", {})) <= set(rules()), profile
