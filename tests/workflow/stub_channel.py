"""A conda channel of stubs: every package links what the running Python has installed by pip.

The stubs depend on each other as the real packages do, so an environment that is made of them holds
what it asks for and nothing else.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import rattler
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler.index import index_fs

SITE_PACKAGES = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
# A wheel of torch finds these beside itself, through its link.
BESIDE_TORCH = re.compile("nvidia|cuda|triton")


def make_channel(folder: Path, pins: Mapping[str, tuple[str, str]]) -> None:
    """Write a channel.

    Args:
        pins: name on PyPI and version by name on conda-forge; what they require is added.
    """
    subdir = folder / str(rattler.Subdir.current())
    for made in (subdir, folder / "noarch"):
        made.mkdir(parents=True)
    conda_names = {canonicalize_name(pypi): conda for conda, (pypi, _) in pins.items()}
    waiting = [pypi for pypi, _ in pins.values()]
    done = set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in done:
            continue
        done.add(name)
        found = distribution(name)
        needed = sorted(set(requirements(found)))
        waiting += needed
        conda = conda_names.get(name, name)
        version = pins[conda][1] if conda in pins else found.version
        depends = [conda_names.get(other, other) for other in needed]
        write_package(subdir, conda, version, ["python", *depends], links(found))
    asyncio.run(index_fs(folder))


def add_python(folder: Path, version: str) -> None:
    """Write the running interpreter into a channel, under a version of any choice."""
    subdir = folder / str(rattler.Subdir.current())
    base = (
        Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    )
    files = {
        "bin/python": base,
        "pyvenv.cfg": f"home = {base.parent}\ninclude-system-site-packages = false\n",
    }
    write_package(subdir, "python", version, [], files)
    asyncio.run(index_fs(folder))


def requirements(found: Distribution) -> Iterator[str]:
    """Names of what an installed distribution needs here."""
    for line in found.requires or ():
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = canonicalize_name(requirement.name)
        if not BESIDE_TORCH.match(name):
            try:
                distribution(name)
            except PackageNotFoundError:
                continue
            yield name


def links(found: Distribution) -> dict[str, Path]:
    """What a stub links: top-level files and folders of a distribution by path in a prefix."""
    tops = {
        path.parts[0] for path in found.files or () if path.parts[0] not in ("..", "__pycache__")
    }
    root = Path(str(found.locate_file("")))
    return {f"{SITE_PACKAGES}/{top}": root / top for top in sorted(tops)}


def write_package(
    subdir: Path, name: str, version: str, depends: Iterable[str], files: Mapping[str, Path | str]
) -> None:
    """Write a package: links to paths, and files of text."""
    index = {
        "name": name,
        "version": version,
        "build": "stub_0",
        "build_number": 0,
        "depends": list(depends),
        "subdir": subdir.name,
        "timestamp": 1_700_000_000_000,
    }
    paths = [
        {"_path": path, "path_type": "softlink" if isinstance(content, Path) else "hardlink"}
        for path, content in files.items()
    ]
    described = {
        "info/index.json": json.dumps(index),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
        "info/files": "".join(f"{path}\n" for path in files),
    }
    with tarfile.open(subdir / f"{name}-{version}-stub_0.tar.bz2", "w:bz2") as package:
        for path, content in {**described, **files}.items():
            member = tarfile.TarInfo(path)
            if isinstance(content, Path):
                member.type, member.linkname = tarfile.SYMTYPE, str(content)
                package.addfile(member)
            else:
                data = content.encode()
                member.size = len(data)
                package.addfile(member, io.BytesIO(data))
