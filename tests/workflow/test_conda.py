"""`--sdm conda`: environments are solved, made and used, by doubles of conda and its channel.

Whether the real conda-forge has the pinned versions shows only there (CONTRIBUTING.md).
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from checkout import ROOT, Checkout, without_times

pytest.importorskip("rattler", reason="needs py-rattler, which solves conda environments")


from conda_double import install_double
from stub_channel import add_python, make_channel
from test_environments import (
    CONDA_NAMES,
    IMPORT_NAMES,
    conda_pins,
    imported_packages,
    rules,
)

from negtrace.study import code_hash

PYPI_NAMES = {conda: pypi for pypi, conda in CONDA_NAMES.items()}
ENVIRONMENTS = sorted({environment for environment, _ in rules().values()})


@pytest.fixture(scope="session")
def conda(tmp_path_factory) -> dict[str, str]:
    """Variables with which `conda` is the double, its channel full of stubs."""
    folder = tmp_path_factory.mktemp("conda")
    pins = [pin for name in ENVIRONMENTS for pin in conda_pins(name).items() if pin[0] != "python"]
    channel = folder / "channels" / "conda-forge"
    make_channel(channel, {name: (PYPI_NAMES.get(name, name), pin) for name, pin in pins})
    add_python(channel, conda_pins("torch")["python"])
    install_double(folder / "base")
    return {
        **os.environ,
        "PATH": f"{folder / 'base' / 'bin'}:{os.environ['PATH']}",
        "STUB_CHANNELS": str(channel.parent),
    }


@pytest.fixture(scope="session")
def environments(conda, tmp_path_factory) -> dict[str, Path]:
    """Every environment, made from its unchanged file."""
    folder = tmp_path_factory.mktemp("environments")
    for name in ENVIRONMENTS:
        file, prefix = ROOT / f"envs/{name}.yaml", folder / name
        command = ["conda", "env", "create", "--file", file, "--prefix", prefix]
        subprocess.run(command, env=conda, check=True)
    return {name: folder / name for name in ENVIRONMENTS}


def run(study: Checkout, variables: dict[str, str], *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        study.command("--sdm", "conda", *arguments),
        cwd=study.folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_all_that_the_rules_of_an_environment_import_is_in_it(environment, environments):
    of_import = {name: package for package, name in IMPORT_NAMES.items()}
    modules = set()
    for used, step in rules().values():
        if used == environment:
            modules |= set(code_hash.closure(code_hash.own_definitions(step).imported))
            modules |= imported_packages(step)
    assert len(modules) > 20
    assert not {of_import.get(name, name) for name in modules} & {"pytest", "snakemake"}
    done = subprocess.run(
        [
            environments[environment] / "bin" / "python",
            "-c",
            f"import {', '.join(sorted(modules))}",
        ],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_an_environment_holds_nothing_that_its_file_does_not_ask_for(environments):
    for module in ("torch", "snakemake", "pytest"):
        python = environments["analysis"] / "bin" / "python"
        done = subprocess.run([python, "-c", f"import {module}"], capture_output=True, text=True)
        assert f"No module named '{module}'" in done.stderr


@pytest.mark.byconda
def test_the_study_in_conda_environments_gives_the_same_values(finished, conda, tmp_path):
    study = Checkout.create(tmp_path / "study")
    status, printed = run(study, conda)
    assert status == 0, printed[-3000:]
    for name in ENVIRONMENTS:
        if name != "inputs":  # what it fetches is not in this study
            assert f"/envs/{name}.yaml created" in printed
    found, expected = study.results(), finished.results()
    assert found.keys() == expected.keys()
    different = [Path(name) for name in found if found[name] != expected[name]]
    # Tables name the packages of the environment that they come from, the report their hashes.
    assert {path.suffix for path in different} == {".parquet", ".html"}
    pages = [without_times(of.path("report.html").read_bytes()) for of in (study, finished)]
    assert len({re.sub(rb"(sha256 of \w+: )\w{64}", rb"\1", page) for page in pages}) == 1
    for path in (path for path in different if path.suffix == ".parquet"):
        tables = [pq.read_table(of.path(path)) for of in (study, finished)]
        assert tables[0].equals(tables[1]), path
    assert "Nothing to be done" in study.run("-n")  # without conda: no reason to run again


def test_a_package_that_an_environment_lacks_fails_its_jobs(study, conda):
    file = study.folder / "envs" / "analysis.yaml"
    environment = yaml.safe_load(file.read_text())
    environment["dependencies"] = [
        entry for entry in environment["dependencies"] if not entry.startswith("seaborn")
    ]
    file.write_text(yaml.safe_dump(environment))
    next(study.path().glob("**/figures/*.svg")).unlink()
    status, printed = run(study, conda)
    assert status == 1
    assert "No module named 'seaborn'" in printed


@pytest.mark.byconda
def test_pin_files_are_used_and_stale_ones_are_not(study, conda, environments):
    envs = study.folder / "envs"
    pin = envs / "analysis.linux-64.pin.txt"
    listed = subprocess.run(
        ["conda", "list", "--explicit", "--md5", "--prefix", environments["analysis"]],
        env=conda,
        capture_output=True,
        text=True,
        check=True,
    )
    pin.write_text(listed.stdout)
    next(study.path().glob("**/figures/*.svg")).unlink()
    status, printed = run(study, conda, "--conda-create-envs-only")
    assert status == 0, printed
    assert f"/envs/{pin.name}" in printed
    assert "Failed to install" not in printed
    pin.write_text(listed.stdout.replace("stub_0", "gone_0"))
    status, printed = run(study, conda, "--conda-create-envs-only")
    assert status == 0, printed
    assert "Failed to install conda environment from pin file" in printed
    assert "/envs/analysis.yaml created" in printed


def test_containerize_writes_an_image_with_every_environment(study, conda):
    status, printed = run(study, conda, "--containerize")
    assert status == 0, printed
    assert printed.count("RUN conda env create") >= 1
