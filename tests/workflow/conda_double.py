"""A test double of the `conda` command: the calls that Snakemake makes, by py-rattler.

Channels by name are looked for in the folder STUB_CHANNELS, so unchanged environment files are
solved, without a network.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

import rattler
import yaml

ACTIVATE = 'export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"; unset PYTHONPATH PYTHONHOME\n'


def install_double(folder: Path) -> None:
    """Write the commands `conda` and `activate` into folder/bin."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "activate").write_text(ACTIVATE)
    conda = folder / "bin" / "conda"
    conda.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__)}" "{folder}" "$@"\n')
    conda.chmod(0o755)


def main(root: str, *words: str) -> int:
    options = argparse.ArgumentParser()
    options.add_argument("words", nargs="*")
    options.add_argument("--file", type=Path)
    options.add_argument("--prefix", type=Path)
    options.add_argument("--yes", "-y", action="store_true")
    for flag in ("--quiet", "--no-default-packages", "--json", "--explicit", "--md5", "--tarballs"):
        options.add_argument(flag, action="store_true")
    options.add_argument("--version", action="version", version="conda 25.1.0")
    options.add_argument("--get")
    given = options.parse_args(words)
    match given.words:
        case ["clean"]:
            pass
        case ["info"]:
            print(json.dumps({"conda_prefix": root, "platform": str(rattler.Subdir.current())}))
        case ["config"]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case ["env", "create"]:
            asyncio.run(create(Path(root), given.prefix, yaml.safe_load(given.file.read_text())))
        case ["create"]:
            asyncio.run(create_explicit(Path(root), given.prefix, given.file.read_text()))
        case ["list"]:
            print("@EXPLICIT")
            for file in sorted((given.prefix / "conda-meta").glob("*.json")):
                record = json.loads(file.read_text())
                print(f"{record['url']}#{record['md5']}")
        case _:
            raise SystemExit(f"the double of conda knows no {words}")
    return 0


async def create(root: Path, prefix: Path, environment: dict) -> None:
    alias = rattler.ChannelConfig(Path(os.environ["STUB_CHANNELS"]).as_uri() + "/")
    records = await rattler.solve(
        [rattler.Channel(name, alias) for name in environment["channels"] if name != "nodefaults"],
        # As conda reads "name =1.2": any version that begins so.
        [rattler.MatchSpec(entry) for entry in environment["dependencies"]],
        gateway=rattler.Gateway(cache_dir=root / "repodata"),
    )
    await rattler.install(records, prefix, cache_dir=root / "pkgs", show_progress=False)


async def create_explicit(root: Path, prefix: Path, listed: str) -> None:
    records = []
    for line in listed.splitlines():
        if "#" not in line or line.startswith("#"):
            continue
        url, _, md5 = line.partition("#")
        name = Path(url).name
        data = rattler.RepoData.from_path(
            Path(url.removeprefix("file://")).parent / "repodata.json"
        )
        channel = rattler.Channel(url.rsplit("/", 2)[0])
        found = [
            record
            for record in data.into_repo_data(channel)
            if record.file_name == name and record.md5.hex() == md5
        ]
        if not found:
            raise SystemExit(f"no package {line}")
        records += found
    await rattler.install(records, prefix, cache_dir=root / "pkgs", show_progress=False)


if __name__ == "__main__":
    status = main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)  # threads of py-rattler may still be ending, which aborts Python's own exit
