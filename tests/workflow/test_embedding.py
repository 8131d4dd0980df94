"""The workflow as a module of another: its configuration below the other's, its own rules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from checkout import ARCHITECTURE, ROOT, STUDY
from http_server import serve

HOST = """
configfile: "config.yaml"


module negtrace:
    snakefile:
        "{snakefile}"
    config:
        config["negation"]


use rule * from negtrace as negtrace_*


rule all:
    default_target: True
    input:
        rules.negtrace_all.input,
        "own.txt",


rule own:
    input:
        "results/demo/items.parquet",
    output:
        "own.txt",
    shell:
        "echo {{input}} > {{output}}"
"""


@pytest.fixture
def host(tmp_path) -> Path:
    """A workflow that embeds this checkout's, with a small study."""
    (tmp_path / "Snakefile").write_text(HOST.format(snakefile=ROOT / "Snakefile"))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"negation": STUDY, "own": 1}))
    (tmp_path / "tiny.json").write_text(json.dumps(ARCHITECTURE))
    return tmp_path


def run(host: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", *arguments],
        cwd=host,
        env={**os.environ, "XDG_CACHE_HOME": str(host / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def test_another_workflow_runs_what_it_needs_of_this_one(host):
    status, printed = run(host, "own.txt")
    assert status == 0, printed
    assert "] negtrace_items, demo" in printed
    assert (host / "own.txt").read_text() == "results/demo/items.parquet\n"
    assert (host / "results" / "demo" / "items.parquet").exists()
    status, printed = run(host, "-n", "--quiet", "rules")
    assert status == 0, printed
    assert {"negtrace_sweep", "negtrace_report", "all"} <= set(printed.split())
    assert not {"own", "negtrace_items"} & set(printed.split())


def test_what_the_other_workflow_configures_is_checked(host):
    wrong = {**STUDY, "figures": {"dpi": "high"}}
    (host / "config.yaml").write_text(yaml.safe_dump({"negation": wrong}))
    status, printed = run(host, "-n")
    assert status == 2
    assert "error: configuration: figures.dpi is 'high'" in printed.splitlines()[-1]


def test_an_address_instead_of_a_clone_is_refused_in_one_line(host):
    sources = [ROOT / "Snakefile", ROOT / "workflow/rules/common.smk"]
    files = {f"/{path.relative_to(ROOT)}": path.read_bytes() for path in sources}
    with serve(files) as server:
        (host / "Snakefile").write_text(HOST.format(snakefile=server.url("/Snakefile")))
        status, printed = run(host, "-n")
    assert status == 2, printed
    assert printed.splitlines()[-1].startswith("error: negtrace was embedded by an address")
