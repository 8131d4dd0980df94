"""The mirror: a folder of all that a study downloads, for machines without a network.

Files lie under ``<host>/<path>`` of their address (`downloads.mirror_path`), single members of an
archive under the archive's own address, datasets of the Hugging Face hub under that of their page.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from negtrace.data.archive_images import SOURCES
from negtrace.fetching.downloads import mirror_path
from negtrace.fetching.hub import dataset_url
from negtrace.study.dataset_kinds import download_of, downloaded_name
from negtrace.tables.store import atomic_path


def downloaded(config: Mapping[str, Any], results: Path) -> Iterator[tuple[Path, str]]:
    """(file, address) of everything that the study has downloaded, hub datasets excepted.

    Args:
        config: the study's configuration.
        results: folder with its results; weights, annotations and image files have to be there.
    """
    for model in config["study"]["models"]:
        yield from _recorded(results / "models" / model / "weights.json")
        yield from _recorded(results / "models" / model / "pictures.json")
    for dataset in config["study"]["datasets"]:
        entry, folder = config["datasets"][dataset], results / dataset
        if download := download_of(entry):
            yield folder / "source" / str(downloaded_name(entry)), download["url"]
        yield from _recorded(folder / "source" / "segmenter.json")
        sources = folder / "source" / "images" / SOURCES
        for file in sorted(path for path in sources.rglob("*") if path.is_file()):
            yield file, f"https://{file.relative_to(sources).as_posix()}"


def _recorded(record: Path) -> Iterator[tuple[Path, str]]:
    """(file, address) of the downloads that a step has recorded under `urls`; not all steps run."""
    if record.is_file():
        urls = json.loads(record.read_text())["urls"]
        yield from ((Path(file), url) for file, url in urls.items())


def copy_into(mirror: Path, file: Path, url: str) -> bool:
    """Copy a file to its place in the mirror; False if one of its size is there already."""
    place = mirror_path(url, mirror)
    if place.is_file() and place.stat().st_size == file.stat().st_size:
        return False
    with atomic_path(place) as temporary:
        shutil.copyfile(file, temporary)
    return True


def snapshot_datasets(config: Mapping[str, Any], mirror: Path) -> None:
    """Copy the study's datasets of the hub, whole repositories, into the mirror."""
    for dataset in config["study"]["datasets"]:
        entry = config["datasets"][dataset]
        if entry["kind"] == "huggingface" and not Path(entry["source"]).is_dir():
            place = mirror_path(dataset_url(entry["source"]), mirror)
            snapshot_download(
                entry["source"],
                repo_type="dataset",
                revision=entry.get("revision"),
                local_dir=place,
            )
