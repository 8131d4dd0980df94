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
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pandas as pd
from tqdm import tqdm

from negtrace.data.image_names import IMPOSSIBLE, LONGEST_NAME, leads_out, name_fault
from negtrace.data.images import FILE_COLUMNS
from negtrace.data.items import text_frame
from negtrace.data.pictures import image_fault
from negtrace.errors import InputError
from negtrace.fetching.downloads import Downloads, mirror_path
from negtrace.fetching.files import fetch_files
from negtrace.fetching.zip_members import fetch_members
from negtrace.messages import listed
from negtrace.progress import bar
from negtrace.tables.store import atomic_path, sha256

SOURCES = ".sources"
ROOM = 20  # bytes that a download's own files add to a name


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
    progress: Callable[..., tqdm[Any]] = bar,
) -> pd.DataFrame:
    """Have the items' images in a folder, as far as they can be had.

    An image that is there from one of the sources is not fetched again.  A file that somebody put
    there is taken as it is, and never replaced or deleted.

    Args:
        items: columns image_file and image_id (null where an image has none).
        progress: makes the bars, with tqdm's options.

    Returns:
        the table ``image_files``: one row per distinct image_file, sorted; origin is ``archive``,
        ``fallback``, ``folder`` (somebody put it there) or null; reason says what was tried.  An
        image_file that leaves the folder or has several image_ids has a reason, too, and a source
        that an image_id would lead out of its folder is not tried.

    Raises:
        InputError: a template does not give a URL.
    """
    ids = _image_ids(items)
    faults = {image: _name_fault(image, known, folder) for image, known in ids.items()}
    sources = {
        image: _sources(image, known[0] if known else None, archive, folder / SOURCES)
        for image, known in ids.items()
        if not faults[image]
    }
    _drop_blocked(sources)
    found = {image: _found(folder / image, sources[image], folder / SOURCES) for image in sources}
    tried: dict[str, list[str]] = {image: [] for image in ids}
    for image, fault in faults.items():
        if fault:
            found[image] = None
            tried[image].append(fault)
    for rank in range(1 + len(archive.fallback)):
        missing = [image for image in sources if found[image] is None]
        wanted = {
            image: source
            for image in missing
            if isinstance(source := sources[image][rank], _Source)
        }
        outcomes = _fetch(wanted.values(), archive, folder / SOURCES, downloads, progress)
        for image in missing:
            if image not in wanted:
                tried[image].append(str(sources[image][rank]))
                continue
            source = wanted[image]
            if fault := outcomes[source.name] or _linked(folder / image, source.path):
                tried[image].append(f"{source.url}: {fault}")
            else:
                found[image] = {"origin": source.origin, "url": source.url}
    return text_frame(
        (_row(image, folder / image, found[image], tried[image]) for image in ids), FILE_COLUMNS
    )


def _image_ids(items: pd.DataFrame) -> dict[str, list[str]]:
    """The image_ids of every distinct image_file, sorted; one or none if all is well."""
    return {
        str(image): list(of_items.dropna().unique())
        for image, of_items in items.groupby("image_file")["image_id"]
    }


def _name_fault(image: str, image_ids: Sequence[str], folder: Path) -> str | None:
    """Why no image of this name can be had, or None."""
    if fault := name_fault(image, (SOURCES,)):
        return fault
    if leads_out(folder / image, folder):
        return "its folder is a link out of the image folder"
    if len(image_ids) > 1:
        return f"it has several image_ids ({listed(image_ids)})"
    return None


def _sources(
    image: str, image_id: str | None, archive: ImageArchive, kept: Path
) -> list[_Source | str]:
    """An image's sources, in order; a reason in the place of one that it cannot have."""
    member = _filled(archive.member, image, image_id)
    members = mirror_path(archive.url, kept)
    sources: list[_Source | str] = [
        _source("archive", archive.url, member, members / (member or ""), members, archive.member)
    ]
    for template in archive.fallback:
        url = _filled(template, quote(image), image_id and quote(image_id))
        try:
            path = mirror_path(url, kept) if url else kept
        except InputError as error:
            sources.append(str(error))
        else:
            sources.append(_source("fallback", url, url, path, kept, template))
    return sources


def _source(
    origin: str, url: str | None, name: str | None, path: Path, root: Path, template: str
) -> _Source | str:
    """A source whose file lies inside `root`, or why it is none."""
    if url is None or name is None:
        return f"{template}: the image has no image_id"
    inner = name if origin == "archive" else str(path.relative_to(root))
    if fault := name_fault(inner, longest=LONGEST_NAME - ROOM):
        return f"{url}: {inner!r}: {fault}"
    if leads_out(path, root):
        return f"{url}: {path.parent} is a link out of {root}"
    return _Source(origin, url, name, path)


def _drop_blocked(sources: Mapping[str, list[_Source | str]]) -> None:
    """Put a reason in the place of sources whose file would lie in a file, or be a folder."""
    files = {s.path for of_image in sources.values() for s in of_image if isinstance(s, _Source)}
    for of_image in sources.values():
        for rank, source in enumerate(of_image):
            if isinstance(source, _Source) and (
                any(parent in files or parent.is_file() for parent in source.path.parents)
                or source.path.is_dir()
            ):
                of_image[rank] = f"{source.url}: {source.name} is a folder in another's place"


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


def _found(path: Path, sources: Sequence[_Source | str], kept: Path) -> dict[str, Any] | None:
    """Where an image that is there came from; None if it is to be fetched."""
    if not path.is_symlink() and not path.exists():
        return None
    file = path.resolve()
    for source in sources:
        if isinstance(source, _Source) and file == source.path.resolve() and file.exists():
            return {"origin": source.origin, "url": source.url}
    # A link to a source that is gone, or that the configuration no longer names, is not had.
    return None if file.is_relative_to(kept.resolve()) else {"origin": "folder"}


def _fetch(
    sources: Collection[_Source],
    archive: ImageArchive,
    kept: Path,
    downloads: Downloads,
    progress: Callable[..., tqdm[Any]],
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
    return {
        name: outcome.fault or _rejected(paths[name], fetched=outcome.origin != "present")
        for name, outcome in outcomes.items()
    }


def _rejected(path: Path, fetched: bool) -> str | None:
    """What is wrong with a picture; removes it if it has just been fetched."""
    fault = image_fault(path)
    if fault and fetched:
        path.unlink()
    return fault if fetched or not fault else f"{path}: {fault}; remove it to fetch it again"


def _linked(path: Path, target: Path) -> str | None:
    """Link an image to what was fetched; why that is impossible, or None."""
    try:
        with atomic_path(path) as temporary:
            temporary.unlink()
            temporary.symlink_to(os.path.relpath(target, path.parent))
    except OSError as error:
        if error.errno not in IMPOSSIBLE:
            raise
        return f"{path}: cannot be made ({error.strerror})"
    return None


def _row(
    image: str, path: Path, found: Mapping[str, Any] | None, tried: Sequence[str]
) -> dict[str, Any]:
    """One row of the table ``image_files``."""
    if found is None:
        return {"image_file": image, "reason": "; ".join(tried)}
    if found["origin"] == "folder" and (fault := image_fault(path)):
        return {"image_file": image, "reason": f"{path}: {fault}; replace or remove it"}
    return {"image_file": image, **found, "sha256": sha256(path)}
