"""Single members of a remote zip archive, without the archive.

The archive's directory is read once and then only the wanted members, by HTTP range requests.
"""

from __future__ import annotations

import copy
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from remotezip import RangeNotSupported, RemoteZip, RemoteZipError
from tqdm import tqdm

from negtrace.fetching.downloads import Downloads, Origin, Outcome
from negtrace.fetching.files import download, in_parallel
from negtrace.fetching.transport import RANGES_REFUSED, Client, Fault, in_words
from negtrace.progress import bar
from negtrace.tables import store

# No picture is larger; what declares more is no picture, and might fill the memory.
LARGEST_MEMBER_BYTES = 1 << 27

# What zipfile and its decompressors raise for bytes that are no archive.
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, ValueError, OverflowError, NotImplementedError),
)

# The bytes of a member; KeyError if the archive has none of this name.
Read = Callable[[str], bytes]


class _Directory(NamedTuple):
    """Where the members of a remote archive lie."""

    members: dict[str, zipfile.ZipInfo]
    ends: dict[int, int]  # a member's first byte -> the first byte after it


def fetch_members(
    url: str,
    members: Mapping[str, Path],
    downloads: Downloads,
    archive: Path,
    progress: Callable[..., tqdm[Any]] = bar,
) -> dict[str, Outcome]:
    """Single members of a zip archive, in parallel, each checked against its CRC.

    In the mirror, either the archive itself or a folder of its name with the members is used.  From
    a server that does not give parts of a file the whole archive is fetched once.

    Args:
        url: the archive's.
        members: where each member goes; members that are there already are skipped.
        archive: where the whole archive goes if it has to be fetched; used if it is there.
        progress: makes the bars, with tqdm's options.

    Returns:
        what became of each member.  Nothing that is wrong with the archive or a member is an error.

    Raises:
        InputError: `url` names no file.
    """
    mirrored = downloads.mirrored(url)
    found = {name: _at_hand(name, path, mirrored) for name, path in members.items()}
    at_hand = {name: outcome for name, outcome in found.items() if outcome is not None}
    wanted = [name for name in members if name not in at_hand]
    if not wanted:
        return at_hand
    origin: Origin
    whole, origin = archive, "network"
    if mirrored and mirrored.is_file():
        whole, origin = mirrored, "mirror"
    try:
        with Client(downloads) as client, _opened(url, whole, client, progress) as read:

            def write(name: str) -> Outcome:
                try:
                    store.write_bytes(read(name), members[name])
                except KeyError:
                    return Outcome(None, f"{name} is not in the archive")
                except Fault as fault:
                    return Outcome(None, str(fault))
                return Outcome(origin)

            fetched = in_parallel(write, wanted, downloads, progress, desc="members", unit="file")
    except Fault as fault:
        fetched = dict.fromkeys(wanted, Outcome(None, str(fault)))
    outcomes = at_hand | fetched
    return {name: outcomes[name] for name in members}


def _at_hand(name: str, path: Path, mirrored: Path | None) -> Outcome | None:
    """Use what needs no archive: the member itself, or that of the mirror's folder."""
    if path.exists():
        return Outcome("present")
    if mirrored and (mirrored / name).is_file():
        store.write_bytes((mirrored / name).read_bytes(), path)
        return Outcome("mirror")
    return None


def _opened(
    url: str, whole: Path, client: Client, progress: Callable[..., tqdm[Any]]
) -> AbstractContextManager[Read]:
    """What reads members: out of the whole archive if it is here, else by range requests."""
    if whole.exists():
        return _local(whole)
    directory = client.persist(url, lambda: _read_directory(url, client))
    if directory:
        return nullcontext(partial(_read_member, url, directory, client))
    download(url, whole, client, progress=progress)
    if not zipfile.is_zipfile(whole):
        whole.unlink()
        raise Fault("not a zip archive")
    return _local(whole)


@contextmanager
def _local(archive: Path) -> Iterator[Read]:
    """Members out of an archive on this machine."""
    try:
        opened = zipfile.ZipFile(archive)
    except BROKEN:
        raise Fault(f"{archive} is not a zip archive; remove or replace it") from None

    def read(name: str) -> bytes:
        member = opened.getinfo(name)
        _check_size(member)
        with _damage_in_words():
            return opened.read(member)

    with opened:
        yield read


def _read_directory(url: str, client: Client) -> _Directory | None:
    """The archive's directory, in one attempt; None if the server gives no parts of a file."""
    try:
        with in_words(), RemoteZip(url, session=client) as remote:
            members = {member.filename: member for member in remote.infolist()}
            starts = sorted(member.header_offset for member in remote.infolist())
            return _Directory(members, dict(pairwise([*starts, remote.start_dir])))
    except RangeNotSupported:
        return None
    except RemoteZipError as error:
        raise Fault(f"no usable parts of the archive ({error})", passing=True) from error
    except Fault as fault:
        if fault.status in RANGES_REFUSED:
            return None
        raise
    except BROKEN:
        raise Fault("not a zip archive") from None


def _read_member(url: str, directory: _Directory, client: Client, name: str) -> bytes:
    """One member, by one range request per attempt."""
    member = copy.copy(directory.members[name])
    start, end = member.header_offset, directory.ends[member.header_offset]
    _check_size(member)
    if not 0 < end - start <= 2 * LARGEST_MEMBER_BYTES:
        raise Fault(f"the archive's directory gives it {end - start} bytes; it is damaged")
    # Relative to the piece of the archive that is requested.
    member.header_offset = 0

    def attempt() -> bytes:
        with client.get(url, headers={"Range": f"bytes={start}-{end - 1}"}) as response:
            if response.status_code != HTTPStatus.PARTIAL_CONTENT:
                raise Fault("the server sent the whole archive instead of a part", passing=True)
            with in_words():
                content = response.raw.read(end - start)
        # To zipfile the piece is a file that an archive could be appended to ("a"); it reads a
        # member of it by the directory's entry.
        with _damage_in_words(), zipfile.ZipFile(io.BytesIO(content), "a") as piece:
            return piece.read(member)

    return client.persist(url, attempt)


def _check_size(member: zipfile.ZipInfo) -> None:
    """Refuse what would not fit into memory; zipfile reads no more than is declared."""
    if member.file_size > LARGEST_MEMBER_BYTES:
        raise Fault(
            f"{member.file_size / 1e6:.0f} MB unpacked, more than the "
            f"{LARGEST_MEMBER_BYTES / 1e6:.0f} MB that a picture may have"
        )


@contextmanager
def _damage_in_words() -> Iterator[None]:
    """Turn what zipfile raises for a member into a `Fault`."""
    try:
        yield
    except BROKEN as error:
        if isinstance(error, NotImplementedError):  # a compression that Python lacks
            raise Fault(f"cannot be unpacked ({error})") from error
        raise Fault(f"damaged in the archive or on the way ({error})", passing=True) from error
    except RuntimeError as error:  # encrypted
        raise Fault(f"cannot be unpacked ({error})") from error
