"""A dataset's images out of a remote zip archive, with further addresses for each image.

Every image has sources: the archive's member, then one address per fallback template.  They are
tried in this order until one gives a picture that can be decoded.  What a source gives is kept in
``.sources/<host>/<path>`` inside the image folder, and the image is a relative link to it: where an
image came from can be read off its link, without a record that might be lost or out of date.
``.sources`` is laid out like a mirror (see `downloads`) and serves as one for another machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import quote

import pandas as pd
from tqdm import tqdm

from negtrace.downloads import Downloads, mirror_path
from negtrace.errors import InputError
from negtrace.fetch import fetch_files
from negtrace.images import FILE_COLUMNS, image_fault
from negtrace.items import text_frame
from negtrace.progress import bar
from negtrace.store import atomic_path, sha256
from negtrace.zip_members import fetch_members

SOURCES = ".sources"


class ImageArchive(NamedTuple):
    """Where images are; templates hold {image_file} and {image_id}."""

    url: str  # of the zip archive
    member: str = "images/{image_file}"  # template of an image's name in it
    fallback: Sequence[str] = ()  # templates of URLs, tried in this order


class _Source(NamedTuple):
    """One place where an image may be."""

    origin: str  # archive or fallback
    url: str  # of the archive, or of the image
    name: str  # what fetching it is asked for: the member, or the URL
    path: Path  # where what it gives is kept


def fetch_images(
    items: pd.DataFrame,
    archive: ImageArchive,
    folder: Path,
    downloads: Downloads,
    progress: Callable[..., tqdm] = bar,
) -> pd.DataFrame:
    """Have the items' images in a folder, as far as they can be had.

    An image that is there from one of the sources is not fetched again.  A file that somebody put
    there is taken as it is.

    Args:
        items: columns image_file and image_id (null where an image has none).
        progress: makes the bars, with tqdm's options.

    Returns:
        the table ``image_files``: one row per distinct image_file, sorted; origin is ``archive``,
        ``fallback``, ``folder`` (somebody put it there) or null; reason says what was tried.

    Raises:
        InputError: an image_file leaves the folder or has several image_ids, or a template does
            not give a URL.
    """
    sources = {
        image: _sources(image, image_id, archive, folder / SOURCES)
        for image, image_id in _image_ids(items).items()
    }
    found = {image: _found(folder / image, sources[image], folder / SOURCES) for image in sources}
    tried: dict[str, list[str]] = {image: [] for image in sources}
    for rank, template in enumerate((archive.member, *archive.fallback)):
        missing = {image: sources[image][rank] for image, row in found.items() if row is None}
        wanted = {image: source for image, source in missing.items() if source is not None}
        faults = _fetch(wanted.values(), archive, folder / SOURCES, downloads, progress)
        for image in missing:
            if image not in wanted:
                tried[image].append(f"{template}: the image has no image_id")
                continue
            source = wanted[image]
            if fault := faults[source.name]:
                tried[image].append(f"{source.url}: {fault}")
            else:
                _link(folder / image, source.path)
                found[image] = {"origin": source.origin, "url": source.url}
    return text_frame(
        (_row(image, folder / image, found[image], tried[image]) for image in sources), FILE_COLUMNS
    )


def _image_ids(items: pd.DataFrame) -> dict[str, str | None]:
    """The image_id of every distinct image_file, sorted."""
    ids = {}
    for image, of_items in items.groupby("image_file")["image_id"]:
        path = PurePosixPath(str(image))
        if path.is_absolute() or not path.parts or {"..", SOURCES} & set(path.parts):
            raise InputError(
                f"image_file {image!r}: not a file inside the image folder; correct the annotations"
            )
        known = of_items.dropna().unique()
        if len(known) > 1:
            raise InputError(
                f"image_file {image!r} has several image_ids ({', '.join(known)}); "
                "correct the annotations"
            )
        ids[str(image)] = known[0] if len(known) else None
    return ids


def _sources(
    image: str, image_id: str | None, archive: ImageArchive, kept: Path
) -> list[_Source | None]:
    """An image's sources, in order; None where one needs an image_id that the image lacks."""
    member = _filled(archive.member, image, image_id)
    sources: list[_Source | None] = [
        member and _Source("archive", archive.url, member, mirror_path(archive.url, kept) / member)
    ]
    for template in archive.fallback:
        url = _filled(template, quote(image), image_id and quote(image_id))
        sources.append(url and _Source("fallback", url, url, mirror_path(url, kept)))
    return sources


def _filled(template: str, image_file: str, image_id: str | None) -> str | None:
    if image_id is None and "{image_id}" in template:
        return None
    try:
        return template.format(image_file=image_file, image_id=image_id)
    except (LookupError, ValueError, AttributeError) as error:
        raise InputError(
            f"{template!r}: not a template of an image's address; its placeholders may be "
            "{image_file} and {image_id}"
        ) from error


def _found(path: Path, sources: Sequence[_Source | None], kept: Path) -> dict[str, Any] | None:
    """Where an image that is there came from; None if it is to be fetched."""
    if not path.exists():
        return None
    file = path.resolve()
    for source in filter(None, sources):
        if file == source.path.resolve():
            return {"origin": source.origin, "url": source.url}
    # A link to a source that the configuration no longer names is not had.
    return None if file.is_relative_to(kept.resolve()) else {"origin": "folder"}


def _fetch(
    sources: Collection[_Source],
    archive: ImageArchive,
    kept: Path,
    downloads: Downloads,
    progress: Callable[..., tqdm],
) -> dict[str, str | None]:
    """Fetch sources of one kind; what is wrong with each, by its name."""
    paths = {source.name: source.path for source in sources}
    if not paths:
        return {}
    if any(source.origin == "archive" for source in sources):
        members = mirror_path(archive.url, kept)
        whole = members.with_name(f"{members.name}.whole")
        outcomes = fetch_members(archive.url, paths, downloads, whole, progress)
    else:
        outcomes = fetch_files(paths, downloads, progress)
    return {name: outcome.fault or _rejected(paths[name]) for name, outcome in outcomes.items()}


def _rejected(path: Path) -> str | None:
    """What is wrong with a fetched picture, which is then removed; None if nothing is."""
    fault = image_fault(path)
    if fault:
        path.unlink()
    return fault


def _link(path: Path, target: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.unlink()
        temporary.symlink_to(os.path.relpath(target, path.parent))


def _row(
    image: str, path: Path, found: Mapping[str, Any] | None, tried: Sequence[str]
) -> dict[str, Any]:
    """One row of the table ``image_files``."""
    if found is None:
        return {"image_file": image, "reason": "; ".join(tried)}
    if found["origin"] == "folder" and (fault := image_fault(path)):
        return {"image_file": image, "reason": f"{path}: {fault}; replace or remove it"}
    return {"image_file": image, **found, "sha256": sha256(path)}
