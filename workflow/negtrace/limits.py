"""Limits of the machine in words: a disk that is full, a folder that is read-only, memory."""

from __future__ import annotations

import errno
import os
import re

REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space and run again",
    errno.EDQUOT: "your quota on this disk is used up; free some space and run again",
    errno.EROFS: "the file system is read-only; run in a folder that can be written to",
    errno.EACCES: "no permission; change it, or run in a folder of your own",
    errno.EPERM: "not permitted; change the file's owner or permissions",
    errno.EMFILE: "too many open files; raise the limit (ulimit -n)",
    errno.ENAMETOOLONG: "the name is too long for the file system; shorten it",
    errno.EIO: "the disk does not answer as it should; check it",
}

# As libraries put it that hand on no number.
_SAID = re.compile(r"os error (\d+)|\[?errno (\d+)", re.IGNORECASE)
# As the loader of libraries, allocators and interpreters say that there is no memory.
_NO_MEMORY = re.compile(
    r"failed to map segment|(cannot|can't) allocate memory|unable to allocate|bad_alloc"
    r"|can't start new thread",
    re.IGNORECASE,
)


def in_words(error: BaseException) -> str | None:
    """One line about an error that is a limit of the machine: path, cause and remedy; else None."""
    chain: BaseException | None = error
    found = None
    while chain is not None and found is None:
        found = _of_one(chain)
        chain = chain.__cause__ or chain.__context__
    return found


def _of_one(error: BaseException) -> str | None:
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or _NO_MEMORY.search(str(error))
    ):
        return (
            "out of memory; lower compute.memory_gb or compute.image_batch, or let fewer jobs run "
            "at once"
        )
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (said := _SAID.search(str(error))):
        number = int(said[1] or said[2])
    if number not in REMEDIES:
        return None
    named = getattr(error, "filename", None)
    path = ascii(os.fsdecode(named))[1:-1] if isinstance(named, str | bytes | os.PathLike) else None
    return f"{path or os.getcwd()}: {REMEDIES[number]}"
