"""Results hashed again: which are damaged or made from something else than is there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from negtrace.data.crops import file_of
from negtrace.errors import InputError
from negtrace.models.tower_file_check import check_tower
from negtrace.models.weights import read_weights
from negtrace.study import places
from negtrace.tables.lineage import recorded_inputs
from negtrace.tables.store import TEMPORARY, Source, read_source, sha256
from negtrace.vocabulary import LABELS

# What a file of items that was drawn or downloaded is called, up to its ending.
ANNOTATIONS = ("existence", "items")
# How the name of a sweep's shard ends; shards go once they are put together.
SHARD = re.compile(r"\.\d+of\d+\.parquet$")


def findings(results: Path) -> Iterator[str]:
    """One line for each result that is corrupt, stale, in the wrong place or left behind.

    Covers tables, text towers, the checkpoints they were made from, a dataset's annotations and
    the pictures in its folder.  Figures and the report carry no hash.
    """
    paths = sorted(path for path in results.rglob("*") if path.is_file())
    for path in paths:
        if path.name.startswith(TEMPORARY):
            yield f"{path}: left behind by a job that was killed; delete it"
    sources: dict[Path, Source] = {}
    for path in paths:
        if path.suffix == ".parquet" and not path.name.startswith("."):
            try:
                frame, source = read_source(path)
            except InputError as error:
                yield f"corrupt: {error}"
                continue
            sources[Path(os.path.normpath(path))] = source
            if source.provenance["table"] == "image_files":
                yield from _pictures(path, frame)
    for source in sources.values():
        yield from _misplaced(source, results)
        yield from _stale(source, sources)
    for path in paths:
        if path.name == places.TOWER_DESCRIPTION:
            yield from _tower(path.parent)
        if path.name == "weights.json":
            yield from _checkpoint(path)


def _stale(source: Source, sources: Mapping[Path, Source]) -> Iterator[str]:
    for path, digest in recorded_inputs(source).items():
        if not path.exists() and not SHARD.search(path.name):
            yield f"stale: {source.path}: was made from {path}, which is gone; run again"
        elif path in sources and sources[path].sha256 != digest:
            yield f"stale: {source.path}: was made from another {path} than is there; run again"
    recorded = source.provenance["inputs"].get("annotations")
    there = [path for path in source.path.parent.glob("source/*") if path.stem in ANNOTATIONS]
    if recorded and there and recorded not in map(sha256, there):
        yield f"stale: {source.path}: was made from another {there[0]} than is there; run again"


def _misplaced(source: Source, results: Path) -> Iterator[str]:
    """A table lies under the names that it is labelled with."""
    folders = source.path.relative_to(results).parts[:-1]
    for label, found in source.provenance["labels"].items():
        at = LABELS.index(label)
        if len(folders) == len(LABELS) and folders[at] != found:
            yield f"corrupt: {source.path}: is of the {label} {found}; delete it and run again"


def _pictures(path: Path, files: pd.DataFrame) -> Iterator[str]:
    """Pictures that the study itself put there; a user's own folder may lie anywhere."""
    folder = path.parent / "source" / "images"
    if not folder.is_dir():
        return
    there = files[files["reason"].isna()]
    for name, digest in zip(there["image_file"], there["sha256"], strict=True):
        picture = folder / file_of(name)
        if not picture.is_file():
            yield f"stale: {path}: the picture {picture} is gone; delete the table and run again"
        elif sha256(picture) != digest:
            yield f"corrupt: {picture}: is another picture than {path.name} says; delete both"


def _tower(folder: Path) -> Iterator[str]:
    try:
        check_tower(folder)
    except InputError as error:
        yield f"corrupt: {error}"


def _checkpoint(path: Path) -> Iterator[str]:
    try:
        weights = read_weights(path)
    except (OSError, ValueError, TypeError) as error:
        yield f"corrupt: {path}: {error}; delete it and run again"
        return
    if weights.checkpoint is None or weights.sha256 is None:
        return
    checkpoint = Path(weights.checkpoint)
    if not checkpoint.is_file():
        yield f"stale: {path}: the checkpoint {checkpoint} is gone; run again"
    elif sha256(checkpoint) != weights.sha256:
        yield f"stale: {path}: the checkpoint {checkpoint} has changed; run again"
